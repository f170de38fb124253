// Test process: what a hostile agent may do to its agent socket, each on a connection of its own; prints how each ended.
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { encodeEnvelope, frame, message } from '../../daemon/wire/mod.ts';

const [path = ''] = process.argv.slice(2);

async function open(): Promise<Socket> {
  const socket = createConnection(path);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket.resume();
}

async function closes(socket: Socket): Promise<string> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  return 'closed';
}

async function after(bytes: Buffer): Promise<string> {
  const socket = await open();
  socket.write(bytes);
  return closes(socket);
}

async function flood(): Promise<string> {
  const socket = await open();
  const one = frame(
    encodeEnvelope({
      request: 1,
      more: false,
      message: message('askDecision', { kind: 'file', access: 'read', path: Buffer.from('/etc/hosts') }),
    }),
  );
  for (let i = 0; i < 4000 && !socket.destroyed; i++) socket.write(one);
  return closes(socket);
}

const half = await open();
half.write(Buffer.from([0, 0, 1, 0, 8]));
const strange = encodeEnvelope({ request: 1, more: false, message: message('status') });
const ends = {
  noise: await after(frame(Buffer.from('GET / HTTP/1.1\r\n\r\n'))),
  strange: await after(frame(strange)),
  oversize: await after(Buffer.from('ffffffff', 'hex')),
  flood: await flood(),
  halfFrame: half.destroyed ? 'closed' : 'open',
};
half.destroy();
process.stdout.write(JSON.stringify(ends));
