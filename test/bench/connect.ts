// What connect(2) costs inside: judged, and carried out on the agent's behalf. Run (as root, after npm run build):
//   bash daemon/scripts/node24.sh test/bench/connect.ts
import { spawnSync } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { capture } from '../support/capture.ts';
import { spawn } from 'node:child_process';
import { asUser } from '../support/user.ts';
import { contest, printTable, type Contestant } from './support/contest.ts';
import { userEnvironment } from './support/peers.ts';
import { give, onStage, type Stage } from './support/stage.ts';

const rounds = 9;
const connects = 300;
const source = fileURLToPath(new URL('support/connloop.c', import.meta.url));

/** Microseconds: the median of one run's connects. */
function median(stdout: string): number {
  const times = stdout
    .trim()
    .split('\n')
    .map(Number)
    .sort((a, b) => a - b);
  return (times[times.length >> 1] ?? NaN) / 1000;
}

function build(stage: Stage): string {
  const program = join(stage.workspace, 'connloop');
  const gcc = spawnSync('gcc', ['-O2', '-o', program, source], { encoding: 'utf8' });
  if (gcc.status !== 0) throw new Error(gcc.stderr);
  give(stage.user, stage.directory);
  return program;
}

async function native(stage: Stage, argv: readonly string[]): Promise<number> {
  const [file = '', ...rest] = asUser(stage.user, argv);
  const ran = await capture(spawn(file, rest, { cwd: stage.workspace, env: userEnvironment(stage.user) }));
  if (ran.code !== 0) throw new Error(`connloop: ${ran.stderr}`);
  return median(ran.stdout);
}

async function cordon(stage: Stage, argv: readonly string[]): Promise<number> {
  const ran = await stage.cordon.run(argv, {
    user: stage.user,
    workspace: stage.workspace,
    profile: 'bench-connect',
  });
  if (ran.code !== 0) throw new Error(`cordon run connloop: ${ran.code} ${ran.stderr}`);
  return median(ran.stdout);
}

const server = createServer((socket) => {
  socket.on('error', () => undefined); // The client resets.
  socket.resume();
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1024, resolve));
const { port } = server.address() as AddressInfo;
const profile = `cordon: 1
name: bench-connect
version: 1
extends: [coding-agent]
network:
  - { allow: "127.0.0.1:${port}" }
`;

await onStage({ 'bench-connect': profile }, async (stage) => {
  const argv = [build(stage), '127.0.0.1', String(port), String(connects)];
  const contestants: Contestant[] = [
    { name: 'native', measure: () => native(stage, argv) },
    { name: 'cordon', measure: () => cordon(stage, argv) },
  ];
  const results = await contest(contestants, rounds);
  const over = (results[1]?.median ?? NaN) - (results[0]?.median ?? NaN);
  const goal = `cordon ≤ native + 10 µs (here ${over.toFixed(1)} µs over native)`;
  const title = `connect to a granted listener, median of ${connects} in a session: connloop 127.0.0.1 PORT ${connects}`;
  printTable({ title, unit: 'µs', rounds, results, goal });
});
server.close();
