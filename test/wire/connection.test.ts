import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test as T } from 'tap';
import { CordonError } from '../../daemon/model/mod.ts';
import { connect, Connection, encodeEnvelope, frame, message } from '../../daemon/wire/mod.ts';
import type { ConnectionOptions } from '../../daemon/wire/mod.ts';

const directory = mkdtempSync(join(tmpdir(), 'cordon-wire-'));
t.teardown(() => rmSync(directory, { recursive: true }));
let serial = 0;

interface Pair {
  readonly client: Connection;
  readonly server: Connection;
}

async function pair(
  t: T,
  serverOptions: ConnectionOptions,
  clientOptions: ConnectionOptions = {},
): Promise<Pair> {
  const { path, accepted } = await listen(t);
  const client = await connect(path, clientOptions);
  const server = new Connection(await accepted, serverOptions);
  t.teardown(() => client.close());
  return { client, server };
}

async function raw(t: T, options: ConnectionOptions): Promise<{ socket: Socket; server: Connection }> {
  const { path, accepted } = await listen(t);
  const socket = createConnection(path);
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  return { socket, server: new Connection(await accepted, options) };
}

async function listen(t: T): Promise<{ path: string; accepted: Promise<Socket> }> {
  const path = join(directory, `${serial++}.sock`);
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  const accepted = once(server, 'connection').then(([socket]) => socket as Socket);
  t.teardown(() => server.close());
  return { path, accepted };
}

t.test('both ends ask at the same time with the same numbers, and each gets its own answer', async (t) => {
  const { client, server } = await pair(
    t,
    { onMessage: (incoming, c) => c.answer(incoming, 'statusAnswer', { version: 'server' }) },
    { onMessage: (incoming, c) => c.answer(incoming, 'ack', { generation: 7 }) },
  );
  const [status, ack] = await Promise.all([
    client.askFor('status', {}, 'statusAnswer'),
    server.askFor('policyUpdate', { capabilitySet: '{}' }, 'ack'),
  ]);
  t.equal(status.version, 'server');
  t.equal(ack.generation, 7);
});

t.test('a refusal arrives as the same error, with its fix and place', async (t) => {
  const facts = { fix: 'add the key', file: 'p.yaml', line: 4, key: 'files[0]' };
  const { client } = await pair(t, {
    onMessage: (incoming, c) => c.refuse(incoming, new CordonError('policy-invalid', 'bad glob', facts)),
  });
  await t.rejects(client.ask('status'), { code: 'policy-invalid', message: 'bad glob', facts });
});

t.test('a stream yields every answer and ends with the one that is the last', async (t) => {
  const { client } = await pair(t, {
    onMessage: (incoming, c) => {
      for (const n of [1, 2, 3]) c.answer(incoming, 'recordsAnswer', { records: [`${n}`] }, n < 3);
    },
  });
  const seen: string[] = [];
  for await (const m of client.stream('records'))
    if (m.kind === 'recordsAnswer') seen.push(...m.body.records);
  t.strictSame(seen, ['1', '2', '3']);
});

t.test('an answer that does not come in time is an error, and its late arrival harms nobody', async (t) => {
  let late = (): void => undefined;
  const { client } = await pair(t, {
    onMessage: (incoming, c) => {
      if (incoming.message.kind === 'status') late = () => c.answer(incoming, 'statusAnswer');
      else c.answer(incoming, 'ack');
    },
  });
  await t.rejects(client.ask('status', {}, { deadline: 20 }), { code: 'unavailable' });
  late();
  t.match(await client.ask('doctor'), { kind: 'ack' });
});

t.test('requests that wait when the connection ends fail, and say why', async (t) => {
  const { client, server } = await pair(t, { onMessage: () => undefined });
  const asked = client.ask('status');
  server.close();
  await t.rejects(asked, { code: 'unavailable' });
  t.match(await client.closed, { why: 'ended' });
  await t.rejects(client.ask('status'), { code: 'unavailable' });
});

t.test('an answer to what was never asked closes the connection', async (t) => {
  const { socket, server } = await raw(t, { onMessage: () => undefined });
  socket.write(frame(encodeEnvelope({ request: 9, more: false, message: message('ack') })));
  t.match(await server.closed, { why: 'protocol', detail: /never made/ });
});

t.test('bytes that are no message close the connection', async (t) => {
  const { socket, server } = await raw(t, { onMessage: () => t.fail('nothing to deliver') });
  socket.write(frame(Buffer.from('GET / HTTP/1.1\r\n\r\n')));
  t.match(await server.closed, { why: 'protocol' });
});

t.test('a frame left half sent closes the connection when its deadline passes', async (t) => {
  const { socket, server } = await raw(t, { onMessage: () => undefined, frameDeadline: 30 });
  socket.write(Buffer.from([0, 0, 1]));
  const keepAlive = setInterval(() => undefined, 1000);
  t.match(await server.closed, { why: 'half-frame' });
  clearInterval(keepAlive);
});

t.test('a peer that leaves in the middle of a frame is reported as such', async (t) => {
  const { socket, server } = await raw(t, { onMessage: () => undefined });
  socket.end(Buffer.from([0, 0, 0, 9, 1]));
  t.match(await server.closed, { why: 'half-frame' });
});

t.test('a peer that does not read loses the connection, not our memory', async (t) => {
  const { socket, server } = await raw(t, { onMessage: () => undefined, maxQueued: 256 * 1024 });
  socket.pause();
  const data = Buffer.alloc(64 * 1024);
  let sent = 0;
  while (server.isOpen && sent < 1000) {
    server.notify('terminalOutput', { data });
    sent += 1;
  }
  t.ok(sent < 1000);
  t.match(await server.closed, { why: 'slow-reader' });
});

t.test('a sender that waits for drained never queues much, however slow the reader', async (t) => {
  let received = 0;
  const { client, server } = await pair(
    t,
    { onMessage: () => undefined },
    { onMessage: ({ message: m }) => (received += m.kind === 'terminalOutput' ? m.body.data.length : 0) },
  );
  const data = Buffer.alloc(32 * 1024);
  let peak = 0;
  for (let i = 0; i < 400; i++) {
    if (!server.notify('terminalOutput', { data })) await server.drained();
    peak = Math.max(peak, server.socket.writableLength);
  }
  server.end();
  await client.closed;
  t.equal(received, 400 * data.length);
  t.ok(peak < 1024 * 1024, `at most ${peak} bytes were queued`);
});

t.test('a socket that is not there says what to do', async (t) => {
  await t.rejects(connect(join(directory, 'none.sock')), { code: 'unavailable', facts: { fix: /start/ } });
});
