// Sinks beside one that is hostile: a nats-server that sends without end, one that breaks the protocol. A real
// nats-server and an OTLP receiver get everything, by processes that nothing happens to.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { fakeLog, origin } from '../support/fake-log.ts';
import { noNats, startNats } from '../support/nats-server.ts';
import { startReceiver } from '../support/otlp/receiver.ts';
import { until } from '../support/until.ts';
import { nats, otlp, startUploads } from '../support/uploads.ts';

const skip = process.getuid?.() === 0 ? noNats() : 'needs root to start a process as another user';

const greeting = `INFO ${JSON.stringify({ server_id: 'S', version: '2.10.0', proto: 1, headers: true, max_payload: 1048576 })}\r\n`;

/** Speaks as a nats-server until the client has said CONNECT, then does this. */
async function impostor(t: Test, then: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.write(greeting);
    socket.once('data', () => {
      socket.write('PONG\r\n');
      then(socket);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const part = Buffer.alloc(4 * 2 ** 20, 'x');

/** One message that never ends. */
function flood(socket: Socket): void {
  socket.write('MSG a 1 900000000000\r\n');
  const more = (): void => {
    while (socket.writable && socket.write(part));
  };
  socket.on('drain', more);
  more();
}

t.test(
  'a nats-server that sends without end ends the process of its own sink, and no other',
  { skip },
  async (t) => {
    const hostile = await impostor(t, flood);
    const server = await startNats(t);
    const receiver = await startReceiver(t);
    const log = fakeLog();
    log.add(200);
    const { uploads, info, notes, printed } = startUploads(t, log, [
      nats(hostile, { name: 'hostile' }),
      nats(server.port),
      otlp(receiver.url),
    ]);
    const delivered = (): boolean => ['fleet', 'siem'].every((name) => info(name).next === log.all.length);
    await until('the others have all', delivered, { within: 60_000, evidence: printed });
    const before = ['fleet', 'siem'].map((name) => uploads.pids.get(name));
    const ends = () => notes.filter(({ operation }) => operation === 'uploader-ended');
    await until('the hostile one fills its memory', () => ends().length > 0, { within: 120_000 });
    t.match(
      ends()[0]?.reason,
      /^the uploader of hostile ended: it took \d+ MiB of memory; it is started again/,
    );
    log.add(200);
    uploads.hint();
    await until('what is new arrives', delivered, { within: 60_000, evidence: printed });
    t.strictSame(
      ['fleet', 'siem'].map((name) => uploads.pids.get(name)),
      before,
      'by the same processes',
    );
    t.ok(
      ends().every(({ reason }) => reason.startsWith('the uploader of hostile ')),
      'no other ended',
    );
    t.equal(info('hostile').next, 0);
    const uids = log.all.map(({ uid }) => uid);
    t.strictSame(
      receiver.unique().map(({ attributes }) => attributes['event.id']),
      uids,
    );
    t.strictSame(
      (await server.stored()).map(({ id }) => id),
      uids.map((uid) => `${origin}:${uid}`),
    );
  },
);

t.test('servers that break the protocol of NATS stop nobody', { skip }, async (t) => {
  const breaches = [
    '-ERR\r\n',
    'HMSG a 1 -5 -7\r\n\r\n',
    'INFO {"x":\r\n',
    '\u0000'.repeat(1000),
    'MSG a\r\n',
    'PING\r\n'.repeat(5000),
  ];
  const ports = await Promise.all(
    breaches.map((words) =>
      impostor(t, (socket) => {
        socket.write(words);
        setTimeout(() => socket.destroy(), 50);
      }),
    ),
  );
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(100);
  const { info, notes, printed, uploads } = startUploads(t, log, [
    nats(ports[0]!, {
      name: 'hostile',
      servers: ports.map((port) => `nats://127.0.0.1:${port}`),
      timeout: 500,
    }),
    otlp(receiver.url),
  ]);
  await until(
    'it is said',
    () => info('hostile').error !== '' || notes.some(({ operation }) => operation === 'uploader-ended'),
    {
      within: 60_000,
      evidence: () => printed() + JSON.stringify(uploads.infos()),
    },
  );
  await until('the other has all', () => info('siem').next === 100, { within: 60_000, evidence: printed });
  t.equal(info('hostile').next, 0);
  t.notOk(
    notes.some(({ reason }) => reason.startsWith('the uploader of siem')),
    'its process goes on',
  );
});
