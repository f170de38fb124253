import type { Socket } from 'node:net';
import t from 'tap';
import { plain, startTls, tlsEcho } from './servers.ts';
import {
  a,
  alpha,
  alpha6,
  beta,
  capabilities,
  enterNamespace,
  readAll,
  readSome,
  Resolver,
  Session,
  unavailable,
} from './session.ts';

const skip = unavailable();
if (skip === false) enterNamespace();

const hosts = {
  'api.example.com': [alpha, alpha6],
  'other.example.com': [alpha],
  'denied.example.com': [alpha],
};
const grants = [
  { host: 'api.example.com', port: 443 },
  { host: 'api.example.com', port: 2222 },
  { host: 'other.example.com', port: 8443 },
  { host: '127.0.0.1', port: 9443 },
  { effect: 'deny', host: 'denied.example.com', port: 0 },
] as const;

t.test('tunnels', { skip }, async (t) => {
  const session = await Session.start({ set: capabilities(grants), hosts });
  const servers = [
    await tlsEcho(alpha, 443),
    await tlsEcho(alpha6, 443),
    await tlsEcho('127.0.0.1', 9443),
    await tlsEcho(beta, 443),
  ];
  const arrivals = (): number => servers.reduce((sum, { arrived }) => sum + arrived.length, 0);
  t.teardown(async () => {
    await session.stop();
    for (const server of servers) server.close();
  });
  await session.lookup('api.example.com');
  await session.lookup('api.example.com', 'AAAA');
  await session.lookup('other.example.com');
  t.beforeEach(() => void session.records.splice(0));

  const echoes = async (socket: Socket): Promise<string> => {
    socket.write('hello');
    return (await readSome(socket)).toString();
  };

  t.test('TLS to a granted name is tunnelled, and both ends are recorded', async (t) => {
    const secure = await startTls(await session.connect(alpha, 443), 'api.example.com');
    t.equal(await echoes(secure), 'hello');
    t.match(await session.record({ operation: 'connect' }), {
      kind: 'connect',
      object: 'api.example.com:443',
      object2: alpha,
      disposition: 'allowed',
      layer: 'egress',
      process: { pid: 42, exe: '/usr/bin/agent' },
      rule: { id: 'test/network[0]' },
      detail: { protocol: 'tls' },
    });
    secure.end();
    const end = await session.record({ operation: 'close' });
    t.match(end, { outcome: '0' });
    t.ok(Number(end.detail?.['up']) > 100 && Number(end.detail?.['down']) > 100);
  });

  t.test('the same over IPv6', async (t) => {
    const secure = await startTls(await session.connect(alpha6, 443), 'api.example.com');
    t.equal(await echoes(secure), 'hello');
    secure.destroy();
  });

  t.test('a destination written as a v4-mapped address is the v4 address', async (t) => {
    const secure = await startTls(await session.connect(`::ffff:${alpha}`, 443), 'api.example.com');
    t.equal(await echoes(secure), 'hello');
    secure.destroy();
  });

  t.test('an address that is granted literally is tunnelled whatever is spoken', async (t) => {
    const secure = await startTls(await session.connect('127.0.0.1', 9443));
    t.equal(await echoes(secure), 'hello');
    t.match(await session.record({ operation: 'connect' }), {
      object: '127.0.0.1:9443',
      disposition: 'allowed',
    });
    secure.destroy();
  });

  const denials: readonly (readonly [string, string, number, string | undefined, RegExp])[] = [
    [
      'a server name that was not looked up',
      alpha,
      443,
      'evil.example.net',
      /names evil.example.net, but no lookup/,
    ],
    ['a server name granted on another port', alpha, 443, 'other.example.com', /default deny/],
    ['no server name', alpha, 443, undefined, /without a server name/],
    ['an address nobody looked up', beta, 443, 'api.example.com', /default deny/],
    ['a granted name on another port', alpha, 9443, 'api.example.com', /default deny/],
    ['a literal grant on another port', '127.0.0.1', 443, 'api.example.com', /loopback/],
    ['metadata', '169.254.169.254', 443, 'api.example.com', /metadata/],
    ['metadata, v4-mapped', '::ffff:169.254.169.254', 443, 'api.example.com', /metadata/],
    ['metadata, v4-mapped in hex', '::ffff:a9fe:a9fe', 443, 'api.example.com', /metadata/],
    ['metadata, 6to4', '2002:a9fe:a9fe::1', 443, 'api.example.com', /metadata/],
    ['metadata, NAT64', '64:ff9b::a9fe:a9fe', 443, 'api.example.com', /metadata/],
    ['metadata, AWS IPv6', 'fd00:ec2::254', 443, 'api.example.com', /metadata/],
  ];
  for (const [what, address, port, name, reason] of denials) {
    t.test(`TLS is refused with an alert, and nothing is dialed: ${what}`, async (t) => {
      const before = arrivals();
      await t.rejects(startTls(await session.connect(address, port), name), {
        code: 'ERR_SSL_TLSV1_ALERT_ACCESS_DENIED',
      });
      t.match(await session.record({ kind: 'connect', operation: 'connect' }), {
        disposition: 'denied',
        layer: 'egress',
        reason,
      });
      t.equal(arrivals(), before);
    });
  }

  t.test('half a ClientHello is not enough: nothing is dialed until it is whole', async (t) => {
    const before = arrivals();
    const socket = await session.connect(alpha, 443);
    socket.write(Buffer.from([22, 3, 1, 2]));
    socket.end();
    await readAll(socket);
    t.match(await session.record({ kind: 'connect', operation: 'connect' }), {
      disposition: 'denied',
      reason: /did not say in time/,
    });
    t.equal(arrivals(), before);
  });

  t.test('what is neither TLS nor HTTP is refused where a name must be said', async (t) => {
    const socket = await session.connect(alpha, 443);
    socket.write(Buffer.from([0, 1, 2, 3]));
    await readAll(socket);
    t.match(await session.record({ kind: 'connect', operation: 'connect' }), {
      disposition: 'denied',
      reason: /neither TLS nor HTTP/,
    });
  });

  t.test('a connection that no connect was judged for is refused and recorded', async (t) => {
    const socket = await session.connectUnjudged();
    await readAll(socket);
    t.match(await session.record({ kind: 'connect', operation: 'connect' }), {
      disposition: 'denied',
      reason: /no judged connect/,
    });
  });

  t.test('a connection that is closed unused is no denial', async (t) => {
    (await session.connect(alpha, 443)).end();
    t.match(await session.record({ operation: 'close' }), { disposition: 'observed' });
  });

  t.test('where the server speaks first, the tunnel opens when the client is silent', async (t) => {
    const server = await plain(alpha, 2222, (socket) => {
      socket.write('SSH-2.0-test\r\n');
      socket.once('data', (chunk) => socket.end(`got ${chunk.toString()}`));
    });
    t.teardown(() => server.close());
    const socket = await session.connect(alpha, 2222);
    t.match((await readSome(socket)).toString(), 'SSH-2.0-test');
    socket.end('SSH-2.0-client\r\n');
    t.match((await readAll(socket)).toString(), /got SSH-2.0-client/);
    t.match(await session.record({ operation: 'connect' }), { detail: { protocol: 'server-first' } });
  });

  t.test('waiting first is no way round the check of the name', async (t) => {
    const heard: string[] = [];
    const server = await plain(alpha, 2222, (socket) => {
      socket.on('data', (chunk) => heard.push(chunk.toString()));
      socket.on('end', () => socket.end());
    });
    t.teardown(() => server.close());
    const socket = await session.connect(alpha, 2222);
    await session.record({ operation: 'connect', disposition: 'allowed' });
    socket.write('GET / HTTP/1.1\r\nHost: evil.example.net\r\n\r\n');
    t.match((await readAll(socket)).toString(), /^HTTP\/1.1 403 /);
    t.same(heard, []);
  });

  t.test('a half-closed client still gets its answer, and a refused dial is a reset', async (t) => {
    const server = await plain(alpha, 2222, (socket) => {
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('end', () => socket.end(`${Buffer.concat(chunks).length} bytes`));
    });
    const socket = await session.connect(alpha, 2222);
    socket.write(Buffer.alloc(1, 0));
    socket.end(Buffer.alloc(5_000_000));
    t.equal((await readAll(socket)).toString(), '5000001 bytes');
    server.close();
    const refused = await session.connect(alpha, 2222);
    refused.write(Buffer.alloc(1, 0));
    await readAll(refused);
    t.match(await session.record({ operation: 'close', outcome: 'ECONNREFUSED' }), {
      disposition: 'allowed',
    });
  });

  t.test('a slow reader holds the sender back instead of filling memory', async (t) => {
    let sent = 0;
    const server = await plain(alpha, 2222, (socket) => {
      const block = Buffer.alloc(65536, 1);
      const more = (): void => {
        while (sent < 64 * 1024 * 1024 && socket.write(block)) sent += block.length;
      };
      socket.on('drain', more);
      more();
    });
    t.teardown(() => server.close());
    const socket = await session.connect(alpha, 2222);
    socket.pause();
    socket.write(Buffer.alloc(1, 0));
    await session.record({ operation: 'connect' });
    await session.lookup('api.example.com');
    t.ok(sent < 32 * 1024 * 1024, `the server could send ${sent} bytes`);
    socket.destroy();
  });
});

t.test('a rebound name does not lead to a guarded address', { skip }, async (t) => {
  let turn = 0;
  const resolver = await Resolver.start((name) => [a(name, turn++ === 0 ? alpha : '127.0.0.1', 1)]);
  const session = await Session.start({
    set: capabilities([{ host: 'rebind.example.com', port: 443 }]),
    upstream: [resolver.endpoint],
  });
  t.teardown(async () => {
    await session.stop();
    resolver.stop();
  });
  t.match((await session.lookup('rebind.example.com')).answers, [{ data: alpha }]);
  t.same((await session.lookup('rebind.example.com')).answers, []);
  t.equal(session.pins.length, 1);
  await t.rejects(startTls(await session.connect('127.0.0.1', 443), 'rebind.example.com'));
  t.match(await session.record({ kind: 'connect', operation: 'connect' }), {
    disposition: 'denied',
    reason: /loopback/,
  });
});

t.test('a grant for every name still holds its exceptions', { skip }, async (t) => {
  const session = await Session.start({
    set: capabilities([
      { host: '*', port: 443 },
      { effect: 'deny', host: 'evil.example.net', port: 0 },
    ]),
  });
  const server = await tlsEcho(alpha, 443);
  t.teardown(async () => {
    await session.stop();
    server.close();
  });
  (await startTls(await session.connect(alpha, 443), 'anything.example.com')).destroy();
  (await startTls(await session.connect(alpha, 443))).destroy();
  await t.rejects(startTls(await session.connect(alpha, 443), 'evil.example.net'));
  await t.rejects(startTls(await session.connect('10.1.2.3', 443), 'anything.example.com'));
  t.match(await session.record({ object: '10.1.2.3:443' }), { disposition: 'denied' });
});
