// What the egress tunnel costs: throughput and latency against a direct loopback connection, in the same run.
//   npm run build && bash daemon/scripts/node24.sh test/bench/egress.ts
// The bundled process is measured; without dist/egress.js the source.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { capabilities, Session } from '../egress/session.ts';

const total = 512 * 1024 * 1024;
const rounds = 500;
const block = Buffer.alloc(65536, 1);

/** `D`: sends `total` bytes down; `U`: reads up to the end; anything else comes back. */
function talk(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.once('data', (first) => {
    if (first[0] === 0x44) sendAll(socket);
    else if (first[0] === 0x55) socket.resume().on('end', () => socket.end('done'));
    else socket.end(first);
  });
}

function sendAll(socket: Socket): void {
  let left = total;
  const more = (): void => {
    while (left > 0) {
      left -= block.length;
      if (!socket.write(block)) return;
    }
    socket.off('drain', more);
    socket.end();
  };
  socket.on('drain', more);
  more();
}

async function download(open: () => Promise<Socket>): Promise<number> {
  const socket = await open();
  const began = performance.now();
  socket.write('D');
  socket.resume();
  await once(socket, 'end');
  socket.destroy();
  return total / (performance.now() - began) / 1000;
}

async function upload(open: () => Promise<Socket>): Promise<number> {
  const socket = await open();
  const began = performance.now();
  socket.write('U');
  sendAll(socket);
  await once(socket, 'data');
  socket.destroy();
  return total / (performance.now() - began) / 1000;
}

/** Microseconds from connect to the first byte of the answer, p50. */
async function latency(open: () => Promise<Socket>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const began = performance.now();
    const socket = await open();
    socket.write('x');
    await once(socket, 'data');
    times.push(performance.now() - began);
    socket.destroy();
  }
  return times.sort((x, y) => x - y)[rounds / 2]! * 1000;
}

function memory(pid: number): string {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (key: string): string =>
    (Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]) / 1024).toFixed(1);
  return `Rss ${of('Rss')} MB, Pss ${of('Pss')} MB, private dirty ${of('Private_Dirty')} MB`;
}

const server = createServer({ allowHalfOpen: true }, talk).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
const bundle = fileURLToPath(new URL('../../dist/egress.js', import.meta.url));
const entry = existsSync(bundle) ? bundle : undefined;
const startedAt = performance.now();
const session = await Session.start({
  set: capabilities([{ host: '127.0.0.1', port }]),
  ...(entry === undefined ? {} : { entry }),
});
const ready = performance.now() - startedAt;
const idle = memory(session.child.pid!);
const direct = async (): Promise<Socket> => {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  return socket;
};
const tunnelled = (): Promise<Socket> => session.connect('127.0.0.1', port);

const rows: (readonly [string, number, number, string])[] = [];
for (const [what, unit, measure] of [
  ['download', 'MB/s', download],
  ['upload', 'MB/s', upload],
  ['connect + first byte, p50', 'µs', latency],
] as const) {
  await measure(direct);
  rows.push([what, await measure(direct), await measure(tunnelled), unit]);
}
console.log(
  `command: bash daemon/scripts/node24.sh test/bench/egress.ts (${entry === undefined ? 'source' : 'bundle'})`,
);
console.log('measure                      direct    tunnel     ratio');
for (const [what, plain, tunnel, unit] of rows) {
  const ratio = unit === 'µs' ? tunnel / plain : plain / tunnel;
  console.log(
    `${what.padEnd(26)} ${plain.toFixed(0).padStart(8)}  ${tunnel.toFixed(0).padStart(8)}  ${ratio.toFixed(2).padStart(7)}x  ${unit}`,
  );
}
console.log(`start to ready ${ready.toFixed(0)} ms`);
console.log(`memory idle: ${idle}`);
console.log(`memory after: ${memory(session.child.pid!)}`);
await session.stop();
server.close();
