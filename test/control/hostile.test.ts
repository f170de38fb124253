import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import type { Test } from 'tap';
import fc from 'fast-check';
import { connect, encodeEnvelope, frame, message } from '../../daemon/wire/mod.ts';
import type { Message } from '../../daemon/wire/mod.ts';
import { startDaemon, until } from '../support/daemon.ts';
import type { TestDaemon } from '../support/daemon.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

const envelope = (sent: Message, request = 1): Buffer =>
  frame(encodeEnvelope({ request, more: false, message: sent }));

async function raw(t: Test, path: string): Promise<Socket> {
  const socket = createConnection(path);
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const closed = async (socket: Socket): Promise<void> => {
  socket.resume();
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
};

const isAlive = async (daemon: TestDaemon): Promise<boolean> => {
  const connection = await daemon.connect();
  const { kind } = await connection.ask('status');
  connection.close();
  return kind === 'statusAnswer';
};

const closures = async (daemon: TestDaemon): Promise<string[]> =>
  (await daemon.records({ session: 'daemon' }))
    .filter(({ operation }) => operation === 'connection-closed')
    .map(({ reason }) => String(reason));

t.test('arbitrary bytes cost their connection and nothing else', async (t) => {
  const daemon = await startDaemon(t);
  const other = await daemon.connect();
  const noise = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(noise, fc.boolean(), async (chunks, framed) => {
      const socket = await raw(t, daemon.adminSocket);
      for (const chunk of chunks) socket.write(framed ? frame(chunk) : chunk);
      socket.end();
      await closed(socket);
    }),
    { numRuns: 150 },
  );
  t.match(await other.ask('status'), { kind: 'statusAnswer' }, 'a connection opened before is as it was');
  t.ok(
    (await closures(daemon)).some((reason) => reason.startsWith('protocol')),
    'it is on record',
  );
});

t.test(
  'messages that are not for the socket, the state, or the sender close the connection and are recorded',
  async (t) => {
    const daemon = await startDaemon(t);
    const wrong: readonly [string, Message, number][] = [
      ['admin.sock', message('journalHint'), 0],
      ['admin.sock', message('launch'), 1],
      ['admin.sock', message('askDecision'), 1],
      ['admin.sock', message('ack'), 1],
      ['admin.sock', message('status'), 0],
      ['supervisor.sock', message('status'), 1],
      ['supervisor.sock', message('journalHint'), 0],
      ['supervisor.sock', message('sessionEnded'), 0],
      ['supervisor.sock', message('supervisorHello', { pid: process.pid }), 0],
    ];
    for (const [name, sent, request] of wrong) {
      const socket = await raw(t, `${daemon.runDir}/${name}`);
      socket.write(envelope(sent, request));
      await closed(socket);
      t.pass(`${sent.kind} on ${name}`);
    }
    t.ok((await closures(daemon)).length >= 2);
  },
);

t.test('a process that says it is another’s supervisor is turned away', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run();
  const socket = `${daemon.runDir}/supervisor.sock`;
  const asOther = await connect(socket);
  await t.rejects(asOther.ask('supervisorHello', { pid: 1 }), { code: 'protocol' });
  asOther.close();
  const asOwner = await connect(socket);
  await t.rejects(asOwner.ask('supervisorHello', { pid: process.pid, session: id }), {
    code: 'not-permitted',
  });
  asOwner.close();
  const unknown = await connect(socket);
  await t.rejects(unknown.ask('supervisorHello', { pid: process.pid, session: 'zzzzzzzz' }), {
    code: 'not-found',
  });
  unknown.close();
  t.match(await daemon.session(id), { state: 'running' });
});

t.test('half a frame and silence wait for their deadline without holding up others', async (t) => {
  const daemon = await startDaemon(t);
  const sockets = await Promise.all(Array.from({ length: 50 }, () => raw(t, daemon.adminSocket)));
  sockets.forEach((socket, i) => i % 2 === 0 && socket.write(Buffer.from([0, 0, 1, 0, 8])));
  t.ok(await isAlive(daemon));
  t.ok(await daemon.run());
});

t.test('a flood of requests ends the flooding connection, while another is served', async (t) => {
  const daemon = await startDaemon(t);
  const socket = await raw(t, daemon.adminSocket);
  const one = envelope(message('sessions'));
  for (let i = 0; i < 4000 && !socket.destroyed; i++) socket.write(one);
  await closed(socket);
  t.ok((await closures(daemon)).some((reason) => /flood/.test(reason)));
  t.ok(await isAlive(daemon));
});

t.test('connections beyond the bound are turned away, and there is room again when some leave', async (t) => {
  const daemon = await startDaemon(t);
  const sockets: Socket[] = [];
  for (let i = 0; i < 140; i++) sockets.push(await raw(t, daemon.adminSocket));
  await until(() => sockets.some((socket) => socket.readableEnded || socket.destroyed || !socket.readable));
  for (const socket of sockets) socket.destroy();
  await until(() => isAlive(daemon).catch(() => false));
  t.pass('served again');
});

t.test('a follower that does not read loses its connection, and records go on', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run();
  const socket = await raw(t, daemon.adminSocket);
  socket.write(envelope(message('records', { follow: true, limit: 1 })));
  await once(socket, 'data');
  socket.pause();
  const loud = await daemon.run({ FAKE_RECORDS: '40000' });
  await until(async () => (await closures(daemon)).some((reason) => reason.startsWith('slow-reader')));
  await until(async () => (await daemon.session(loud)).denied === 20_000);
  t.match(await daemon.session(id), { state: 'running' });
  t.ok(await isAlive(daemon));
});
