import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import * as dns from 'dns-packet';
import t from 'tap';
import {
  a,
  alpha,
  alpha6,
  beta,
  capabilities,
  enterNamespace,
  type Grant,
  readSome,
  Resolver,
  Session,
  type SessionOptions,
  unavailable,
} from './session.ts';

const skip = unavailable();
if (skip === false) enterNamespace();

type Answers = (name: string, type: string) => readonly dns.Answer[];

async function world(t: Tap, grants: readonly Grant[], answers: Answers, more: Partial<SessionOptions> = {}) {
  const resolver = await Resolver.start(answers);
  const session = await Session.start({ set: capabilities(grants), upstream: [resolver.endpoint], ...more });
  t.teardown(async () => {
    await session.stop();
    resolver.stop();
  });
  return { resolver, session };
}
type Tap = Pick<typeof t, 'teardown'>;

const granted = [{ host: 'api.example.com', port: 443 }];
const toAlpha: Answers = (name, type) => (type === 'A' ? [a(name, alpha)] : []);
const rcodeOf = (packet: dns.DecodedPacket): string => (packet as unknown as { rcode: string }).rcode;

t.test(
  'a granted name is asked upstream, pinned before it is answered, and recorded',
  { skip },
  async (t) => {
    const { session } = await world(t, granted, toAlpha);
    const answer = await session.lookup('API.example.com');
    t.match(answer.answers, [{ type: 'A', name: 'API.example.com', data: alpha, ttl: 30 }]);
    t.match(session.pins, [{ t: 'pin', host: 'api.example.com', addrs: [alpha], ttl: 30 }]);
    t.match(await session.record({ kind: 'name' }), {
      disposition: 'allowed',
      operation: 'lookup',
      layer: 'resolver',
      generation: 1,
      detail: { type: 'A' },
    });
  },
);

t.test('localhost and the own host name are answered here, and are no denials', { skip }, async (t) => {
  const { session, resolver } = await world(t, granted, toAlpha);
  for (const name of ['localhost', 'app.localhost', 'LOCALHOST', 'cordon']) {
    t.match((await session.lookup(name)).answers, [{ type: 'A', data: '127.0.0.1' }], name);
    t.match((await session.lookup(name, 'AAAA')).answers, [{ type: 'AAAA', data: '::1' }], name);
  }
  t.equal(rcodeOf(await session.lookup('cordon.example')), 'NXDOMAIN', 'no other name');
  t.match(await session.record({ kind: 'name' }), { object: 'cordon.example' }, 'the only record');
  t.same(resolver.asked, []);
  t.same(session.pins, []);
});

t.test(
  'a name that is not granted is answered NXDOMAIN and the upstream is never asked',
  { skip },
  async (t) => {
    const { session, resolver } = await world(t, granted, toAlpha);
    t.equal(rcodeOf(await session.lookup('evil.example.net')), 'NXDOMAIN');
    t.equal(rcodeOf(await session.lookup('api.example.com.lan')), 'NXDOMAIN');
    t.equal(rcodeOf(await session.lookup('example.com', 'AAAA')), 'NXDOMAIN');
    t.same(resolver.asked, []);
    t.same(session.pins, []);
    t.match(await session.record({ object: 'evil.example.net' }), {
      kind: 'name',
      disposition: 'denied',
      rule: { id: 'builtin/default-deny' },
    });
  },
);

t.test('a denial says its id to a client that speaks EDNS', { skip }, async (t) => {
  const { session } = await world(t, granted, toAlpha);
  const query = dns.encode({
    type: 'query',
    id: 9,
    questions: [{ type: 'A', name: 'evil.example.net' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  t.match((await session.datagram(query)).toString('latin1'), /blocked by Cordon: .*cordon explain test-1/);
});

t.test('data carried in a denied name does not leave', { skip }, async (t) => {
  const { session, resolver } = await world(t, granted, toAlpha);
  const secret = 'a'.repeat(63);
  for (const name of [
    `${secret}.${secret}.evil.net`,
    '6869.evil.net',
    'xn--hi-.api.example.com',
    'x.api.example.com',
  ])
    t.equal(rcodeOf(await session.lookup(name)), 'NXDOMAIN', name);
  const raw = Buffer.from('000901000001000000000000', 'hex');
  const odd = Buffer.concat([raw, Buffer.from([4, 0x61, 0, 0xff, 0x2e, 3, 0x63, 0x6f, 0x6d, 0, 0, 1, 0, 1])]);
  t.equal(rcodeOf(dns.decode(await session.datagram(odd))), 'NXDOMAIN', 'bytes that no host name has');
  t.match(await session.record({ object: 'a\\000\\255\\046.com' }), { disposition: 'denied' });
  t.same(resolver.asked, []);
});

t.test('record types other than addresses are refused and recorded', { skip }, async (t) => {
  const { session, resolver } = await world(t, granted, toAlpha);
  for (const type of ['TXT', 'NULL', 'MX', 'SRV', 'CNAME', 'AXFR', 'PTR'] as const) {
    t.equal(rcodeOf(await session.lookup('api.example.com', type)), 'REFUSED', type);
    await session.until(() =>
      session.records.some((r) => r.detail?.['type'] === type && r.disposition === 'denied'),
    );
  }
  t.equal(rcodeOf(await session.lookup('api.example.com', 'ANY' as dns.RecordType)), 'REFUSED');
  t.equal(rcodeOf(await session.lookup('34.216.184.93.in-addr.arpa', 'PTR')), 'REFUSED');
  t.same(resolver.asked, []);
});

t.test(
  'an HTTPS question for a granted name has an empty answer, so that no ECH key is learnt',
  { skip },
  async (t) => {
    const { session, resolver } = await world(t, granted, toAlpha);
    const query = dns.encode({ type: 'query', id: 3, questions: [{ type: 'A', name: 'api.example.com' }] });
    query.writeUInt16BE(65, query.length - 4);
    const header = (await session.datagram(query)).subarray(0, 12);
    t.equal(header.readUInt16BE(2) & 0xf, 0);
    t.equal(header.readUInt16BE(6), 0);
    t.same(resolver.asked, []);
  },
);

t.test('an answer that leads to a guarded address is dropped and recorded', { skip }, async (t) => {
  const bad = ['127.0.0.1', '10.1.2.3', '169.254.169.254', '0.0.0.0', '100.100.100.200', '192.168.1.1'];
  const bad6 = [
    '::1',
    'fe80::1',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
    '2002:a9fe:a9fe::1',
    '64:ff9b::a9fe:a9fe',
  ];
  const { session } = await world(t, granted, (name, type) =>
    type === 'A'
      ? [...bad.map((address) => a(name, address)), a(name, alpha)]
      : bad6.map((data) => ({ type: 'AAAA', name, data, ttl: 5 })),
  );
  const four = await session.lookup('api.example.com');
  t.same(
    four.answers?.map((record) => 'data' in record && record.data),
    [alpha],
  );
  t.same((await session.lookup('api.example.com', 'AAAA')).answers, []);
  t.same(
    session.pins.map(({ addrs }) => addrs),
    [[alpha]],
  );
  const dropped = session.records.filter(({ operation }) => operation === 'answer');
  t.equal(dropped.length, bad.length + bad6.length);
  t.ok(dropped.every(({ disposition }) => disposition === 'denied'));
});

t.test(
  'a name does not lead to a public address of the machine, unless it is granted',
  { skip },
  async (t) => {
    const both: Answers = (name, type) =>
      type === 'A' ? [a(name, alpha), a(name, beta)] : [{ type: 'AAAA', name, data: alpha6, ttl: 5 }];
    const own = [alpha, alpha6.replace('::', ':0:0:0:')];
    const addresses = async (session: Session, type?: 'A' | 'AAAA'): Promise<unknown> =>
      (await session.lookup('api.example.com', type)).answers?.map((each) => 'data' in each && each.data);
    const { session } = await world(t, granted, both, { own });
    t.same(await addresses(session), [beta]);
    t.same(await addresses(session, 'AAAA'), []);
    t.match(await session.record({ operation: 'answer' }), {
      disposition: 'denied',
      object2: alpha,
      reason: /an address of this machine; only a grant that names the address/,
    });
    const { session: other } = await world(t, [...granted, { host: beta, port: 443 }], both, { own });
    t.same(await addresses(other), [beta], 'another address of that port is no grant of this one');
    const { session: told } = await world(t, [...granted, { host: alpha, port: 443 }], both, { own });
    t.same(await addresses(told), [alpha, beta]);
  },
);

t.test('a guarded answer is given when a grant names the address', { skip }, async (t) => {
  const grants = [
    { host: 'model.test', port: 8080 },
    { host: '127.0.0.1', port: 8080 },
  ];
  const { session } = await world(t, grants, toAlpha, { hosts: { 'model.test': ['127.0.0.1', '10.1.2.3'] } });
  t.match((await session.lookup('model.test')).answers, [{ data: '127.0.0.1' }]);
  t.same((await session.lookup('model.test', 'AAAA')).answers, []);
});

t.test(
  'an entry of hosts is answered without asking anybody, and still needs a grant',
  { skip },
  async (t) => {
    const hosts = { 'api.example.com': [beta, alpha6], 'other.test': [beta] };
    const { session, resolver } = await world(t, granted, toAlpha, { hosts });
    t.match((await session.lookup('api.example.com')).answers, [{ data: beta }]);
    t.match((await session.lookup('api.example.com', 'AAAA')).answers, [{ data: alpha6 }]);
    t.equal(rcodeOf(await session.lookup('other.test')), 'NXDOMAIN');
    t.same(resolver.asked, []);
  },
);

t.test('a chain of CNAMEs is followed inside the answer, and flattened', { skip }, async (t) => {
  const { session } = await world(t, granted, (name) => [
    { type: 'CNAME', name, data: 'edge.cdn.net', ttl: 20 },
    { type: 'CNAME', name: 'edge.cdn.net', data: 'x.cdn.net', ttl: 10 },
    a('x.cdn.net', alpha, 40),
    a('unrelated.net', beta),
  ]);
  t.match((await session.lookup('api.example.com')).answers, [
    { name: 'api.example.com', type: 'A', data: alpha, ttl: 10 },
  ]);
  t.same(session.pins[0]?.addrs, [alpha]);
});

t.test('an address spelled as a number is never a name, whatever is granted', { skip }, async (t) => {
  const { session, resolver } = await world(t, [{ host: '*', port: 0 }], toAlpha);
  const spellings = [
    '2852039166',
    '0xa9fea9fe',
    '0251.0376.0251.0376',
    '169.254.169.254',
    '169.254.43518',
    '0xa9.254.0xa9fe',
  ];
  for (const name of spellings) t.equal(rcodeOf(await session.lookup(name)), 'NXDOMAIN', name);
  t.same(resolver.asked, []);
});

t.test('a name that may only be reached after approval is denied for now', { skip }, async (t) => {
  const { session, resolver } = await world(
    t,
    [{ effect: 'ask', host: 'api.example.com', port: 443 }],
    toAlpha,
  );
  t.equal(rcodeOf(await session.lookup('api.example.com')), 'NXDOMAIN');
  t.match(await session.record({ kind: 'name' }), { disposition: 'denied', reason: /needs approval/ });
  t.same(resolver.asked, []);
});

t.test(
  'monitor mode asks for a denied name and records would-deny, but hands out no guarded address',
  { skip },
  async (t) => {
    const { session, resolver } = await world(t, [], (name) => [a(name, alpha), a(name, '169.254.169.254')], {
      set: capabilities([], 1, 'monitor'),
    });
    t.match((await session.lookup('evil.net')).answers, [{ data: alpha }]);
    t.same(resolver.asked, ['A evil.net']);
    t.match(await session.record({ operation: 'lookup' }), { disposition: 'would-deny' });
    t.match(await session.record({ operation: 'answer' }), { disposition: 'denied' });
  },
);

t.test('without a journal no name is asked or answered', { skip }, async (t) => {
  const { session, resolver } = await world(t, granted, toAlpha, { journal: false });
  t.equal(rcodeOf(await session.lookup('api.example.com')), 'SERVFAIL');
  t.same(resolver.asked, []);
  t.same(session.pins, []);
});

t.test('questions over TCP are answered, one after the other', { skip }, async (t) => {
  const { session } = await world(t, granted, toAlpha);
  const ask = (name: string): Buffer =>
    dns.streamEncode({ type: 'query', id: 5, questions: [{ type: 'A', name }] });
  const socket = connect(session.ports.dnsTcp, '127.0.0.1');
  const both = Buffer.concat([ask('api.example.com'), ask('evil.net')]);
  socket.write(both.subarray(0, 20));
  socket.write(both.subarray(20));
  let held = Buffer.alloc(0);
  while (held.length < 2 || held.length < 4 + held.readUInt16BE(0) + 12)
    held = Buffer.concat([held, await readSome(socket)]);
  t.match(dns.streamDecode(held).answers, [{ data: alpha }]);
  socket.destroy();
});

t.test('a truncated upstream answer is asked for again over TCP', { skip }, async (t) => {
  const resolver = await Resolver.start(() => []);
  const port = Number(resolver.endpoint.split(':')[1]);
  resolver.truncate = true;
  const tcp = createServer((socket) => {
    socket.once('data', (bytes: Buffer) => {
      const { id, questions } = dns.decode(bytes.subarray(2));
      socket.end(
        dns.streamEncode({
          type: 'response',
          id: id ?? 0,
          flags: 0x180,
          questions: questions!,
          answers: [a('api.example.com', beta)],
        }),
      );
    });
  }).listen(port, '127.0.0.1');
  await once(tcp, 'listening');
  const session = await Session.start({ set: capabilities(granted), upstream: [resolver.endpoint] });
  t.teardown(async () => {
    await session.stop();
    resolver.stop();
    tcp.close();
  });
  t.match((await session.lookup('api.example.com')).answers, [{ data: beta }]);
});

t.test('an answer with another id or to another question is not taken', { skip }, async (t) => {
  const { session, resolver } = await world(t, granted, (name) => [a(name, alpha)]);
  resolver.before = (query) => [
    dns.encode({
      type: 'response',
      id: (query.id! + 1) & 0xffff,
      questions: query.questions!,
      answers: [a('api.example.com', beta)],
    }),
    dns.encode({
      type: 'response',
      id: query.id!,
      questions: [{ type: 'A', name: 'b.example.com' }],
      answers: [a('b.example.com', beta)],
    }),
  ];
  t.match((await session.lookup('api.example.com')).answers, [{ data: alpha }]);
});

t.test('half frames, garbage and a flood cost their senders only', { skip }, async (t) => {
  const { session } = await world(t, granted, toAlpha);
  const half = connect(session.ports.dnsTcp, '127.0.0.1');
  half.write(Buffer.from([0x00]));
  const long = connect(session.ports.dnsTcp, '127.0.0.1');
  long.on('error', () => undefined);
  long.write(Buffer.from([0xff, 0xff, 1, 2, 3]));
  await once(long, 'close');
  await session.flood(5000);
  await session.until(() => session.records.some(({ object }) => object === 'dns'));
  t.match((await session.lookup('api.example.com')).answers, [{ data: alpha }]);
  half.destroy();
});
