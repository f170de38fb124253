import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import t from 'tap';
import { http, plain, startTls, tlsEcho } from './servers.ts';
import {
  alpha,
  beta,
  capabilities,
  enterNamespace,
  readAll,
  readSome,
  Session,
  unavailable,
} from './session.ts';

const skip = unavailable();
if (skip === false) enterNamespace();

const grants = [
  { host: 'api.example.com', port: 443 },
  { host: 'kept.example.com', port: 443 },
  { host: '127.0.0.1', port: 9443 },
];
const hosts = { 'api.example.com': [alpha], 'kept.example.com': [beta] };

t.test(
  'a change of policy closes what is no longer granted before it is acknowledged',
  { skip },
  async (t) => {
    const session = await Session.start({ set: capabilities(grants), hosts });
    const servers = [await tlsEcho(alpha, 443), await tlsEcho(beta, 443), await tlsEcho('127.0.0.1', 9443)];
    t.teardown(async () => {
      await session.stop();
      for (const server of servers) server.close();
    });
    await session.lookup('api.example.com');
    await session.lookup('kept.example.com');
    const raw = [await session.connect(alpha, 443), await session.connect('127.0.0.1', 9443)] as const;
    await startTls(raw[0], 'api.example.com');
    await startTls(raw[1]);
    const kept = await startTls(await session.connect(beta, 443), 'kept.example.com');
    const ends = raw.map((socket) => once(socket, 'close').catch(() => undefined));

    await session.policy(capabilities([grants[1]!], 2));
    t.equal(
      session.records.filter(({ operation, outcome }) => operation === 'close' && outcome === 'policy')
        .length,
      2,
    );
    await Promise.all(ends);
    kept.write('still here');
    t.equal((await readSome(kept)).toString(), 'still here');
    await t.rejects(startTls(await session.connect(alpha, 443), 'api.example.com'));
    t.match(await session.record({ disposition: 'denied' }), { generation: 2 });

    await session.policy(capabilities(grants, 3));
    (await startTls(await session.connect(alpha, 443), 'api.example.com')).destroy();
    kept.destroy();
  },
);

t.test('without a journal nothing is dialed', { skip }, async (t) => {
  const session = await Session.start({ set: capabilities(grants), journal: false });
  const server = await plain('127.0.0.1', 9443, () => undefined);
  t.teardown(async () => {
    await session.stop();
    server.close();
  });
  await readAll(await session.connect('127.0.0.1', 9443));
  t.equal(session.records.length, 1);
  t.same(server.arrived, []);
});

t.test(
  'what a session asks before the process has its policy is answered once it has',
  { skip },
  async (t) => {
    const session = new Session({ set: capabilities(grants), hosts, hold: true });
    const server = await plain('127.0.0.1', 9443, (socket) => socket.end('served'));
    t.teardown(async () => {
      await session.stop();
      server.close();
    });
    session.tellRaw('flows', 'the rest of a line that another process began to read"}\n');
    const asked = session.lookup('api.example.com');
    const socket = await session.connect('127.0.0.1', 9443);
    const served = readAll(socket);
    session.begin();
    t.match((await asked).answers, [{ data: alpha }]);
    t.equal((await served).toString(), 'served');
  },
);

t.test('a flow that comes after its connection is waited for', { skip }, async (t) => {
  const session = await Session.start({ set: capabilities(grants) });
  const server = await plain('127.0.0.1', 9443, (socket) => socket.end('served'));
  t.teardown(async () => {
    await session.stop();
    server.close();
  });
  const socket = await session.connectUnjudged();
  await session.lookup('late.test');
  session.announce({ port: socket.localPort!, addr: '127.0.0.1', dport: 9443 });
  t.equal((await readAll(socket)).toString(), 'served');
});

t.test('pins of an egress process that died are taken over from the start line', { skip }, async (t) => {
  const pins = [{ host: 'api.example.com', addrs: [alpha], ttl: 60 }];
  const session = await Session.start({ set: capabilities(grants), pins });
  const server = await tlsEcho(alpha, 443);
  t.teardown(async () => {
    await session.stop();
    server.close();
  });
  (await startTls(await session.connect(alpha, 443), 'api.example.com')).destroy();
});

t.test('the supervisor going away ends the process', { skip }, async (t) => {
  const session = await Session.start({ set: capabilities(grants) });
  await session.stop();
  t.same([session.child.exitCode, session.child.signalCode, session.stderr], [0, null, '']);
});

t.test('a killed egress process takes its connections with it', { skip }, async (t) => {
  const session = await Session.start({ set: capabilities(grants) });
  const server = await plain('127.0.0.1', 9443, (socket) => socket.write('served'));
  t.teardown(() => server.close());
  const socket = await session.connect('127.0.0.1', 9443);
  await readSome(socket);
  session.child.kill('SIGKILL');
  await Promise.all([readAll(socket), readAll(server.arrived[0]!)]);
  t.pass('both ends have ended');
});

const broken: readonly (readonly [string, 'flows' | 'control', string])[] = [
  ['what is not JSON', 'control', 'nonsense\n'],
  ['an unknown message', 'control', '{"t":"hello"}\n'],
  ['an acknowledgement without a number', 'control', '{"t":"ack"}\n'],
  ['a policy without rules', 'control', '{"t":"policy","capabilitySet":{"generation":2}}\n'],
  [
    'a flow to what is not an address',
    'flows',
    '{"t":"flow","v":4,"port":1,"addr":"x","dport":1,"pid":1,"exe":"","id":""}\n',
  ],
  [
    'a flow to port 0',
    'flows',
    '{"t":"flow","v":4,"port":1,"addr":"1.1.1.1","dport":0,"pid":1,"exe":"","id":""}\n',
  ],
  ['a line longer than 64 KiB', 'flows', 'x'.repeat(66_000)],
];
for (const [what, link, bytes] of broken) {
  t.test(`a broken supervisor ends the process: ${what}`, { skip }, async (t) => {
    const session = await Session.start({ set: capabilities(grants) });
    const exit = once(session.child, 'exit');
    session.tellRaw(link, bytes);
    t.equal((await exit)[0], 70);
    t.match(session.stderr, /cordon egress: /);
  });
}

t.test(
  'the process confines itself: no new privileges, a filter on every thread, no file',
  { skip },
  async (t) => {
    const session = await Session.start({ set: capabilities(grants) });
    t.teardown(() => session.stop());
    const { pid } = session.child;
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
      t.match(status, /^NoNewPrivs:\s+1$/m);
      t.match(status, /^Seccomp:\s+2$/m);
      t.match(status, /^Uid:\s+65534\s/m);
      t.match(status, /^CapEff:\s+0+$/m);
    }
  },
);

t.test('more connections than there is room for are refused, and the others go on', { skip }, async (t) => {
  const session = await Session.start({ set: capabilities(grants) });
  const server = await http('127.0.0.1', 9443, (_request, response) => response.end('served'));
  t.teardown(async () => {
    await session.stop();
    server.close();
  });
  const sockets: Socket[] = [];
  const reset = (): undefined => undefined;
  for (let i = 0; i < 1100; i++) {
    const socket = await session.connect('127.0.0.1', 9443).catch(reset);
    if (socket !== undefined) sockets.push(socket);
  }
  await session.record({ object: 'connections', disposition: 'denied' });
  sockets[0]!.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  t.match((await readSome(sockets[0]!)).toString(), /served/);
  for (const socket of sockets) socket.destroy();
});
