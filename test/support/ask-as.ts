// Test process: becomes another user, then asks a cordond, so that the kernel names that user as the peer.
//   ask-as.ts UID GID SOCKET '[["kind", {body}], …]'      prints one JSON line an answer
import { connect, failureOf } from '../../daemon/wire/mod.ts';
import type { Bodies, Kind, Message } from '../../daemon/wire/mod.ts';

const [uid, gid, socket, text] = process.argv.slice(2) as [string, string, string, string];
const requests = JSON.parse(text, (_, value: unknown) =>
  typeof value === 'object' && value !== null && 'bytes' in value ? Buffer.from(String(value.bytes)) : value,
) as [Kind, Partial<Bodies[Kind]>][];
process.setgroups!([]);
process.setgid!(Number(gid));
process.setuid!(Number(uid));

const connection = await connect(socket);
for (const [kind, body] of requests) {
  const answer: unknown = await connection
    .ask(kind, body, { deadline: 30_000 })
    .catch((error: unknown) => ({ kind: 'failure', body: failureOf(error) }) as Message);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
connection.close();
