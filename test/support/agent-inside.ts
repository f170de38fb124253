// Test process: uses the agent client as an agent in a session would, and prints what it was told.
import { connectAgent } from '../../daemon/wire/agent-client.ts';

const [path, recordId] = process.argv.slice(2) as [string, string];
const cordon = await connectAgent(path);
const answers = {
  read: await cordon.mayRead('/etc/hosts'),
  write: await cordon.mayWrite('/etc/hosts'),
  short: await cordon.mayRead('/a'),
  connect: await cordon.mayConnect('example.com', 443),
};
await cordon.reportToolCall({ callId: 'c1', tool: 'bash', arguments: '{"command":"ls"}', result: 'a b' });
await cordon.justify(recordId, 'I needed the list');
const strange = await cordon.justify('zzzzzzzz-1', 'x').catch((error: unknown) => (error as Error).message);
cordon.close();
process.stdout.write(JSON.stringify({ answers, strange }));
