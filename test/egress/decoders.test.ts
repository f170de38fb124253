import * as dns from 'dns-packet';
import fc from 'fast-check';
import t from 'tap';
import { canonical, isHostName } from '../../daemon/egress/address.ts';
import { parseQuery } from '../../daemon/egress/dns/query.ts';
import { decodeAnswer, encodeQuestion, encodeReply } from '../../daemon/egress/dns/reply.ts';
import { BodyReader } from '../../daemon/egress/http-body.ts';
import { parseHead } from '../../daemon/egress/http-head.ts';
import { LineSplitter } from '../../daemon/egress/lines.ts';
import { classify } from '../../daemon/egress/peek.ts';
import { parseHello } from '../../daemon/egress/tls-hello.ts';

const bytes = (max = 2048) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array));
const runs = { numRuns: 3000 };

/** A buffer that lies inside a larger one: reading past its end shows other bytes instead of failing. */
function guarded(content: Buffer): Buffer {
  const room = Buffer.alloc(content.length + 64, 0x41);
  content.copy(room, 32);
  return room.subarray(32, 32 + content.length);
}

/** Any bytes, and bytes that were right until a few of them were changed. */
const mutated = (valid: Buffer) =>
  fc
    .tuple(fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 }), fc.nat(valid.length))
    .map(([changes, length]) => {
      const copy = Buffer.from(valid);
      for (const [at, value] of changes) copy[at] = value;
      return copy.subarray(0, length);
    });

function hello(name: string, extra: readonly (readonly [number, Buffer])[] = []): Buffer {
  const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
  const vector = (content: Buffer): Buffer => Buffer.concat([u16(content.length), content]);
  const sni = vector(Buffer.concat([Buffer.from([0]), vector(Buffer.from(name, 'latin1'))]));
  const all = [[0, sni] as const, ...extra].map(([type, data]) => Buffer.concat([u16(type), vector(data)]));
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 5),
    Buffer.from([0]),
    vector(Buffer.from([0x13, 0x01])),
    Buffer.from([1, 0]),
    vector(Buffer.concat(all)),
  ]);
  return Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
}
function records(message: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    parts.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(parts);
}

t.test('the ClientHello parser', async (t) => {
  const valid = records(hello('API.Example.com', [[16, Buffer.from([0, 3, 2, 0x68, 0x32])]]), 16384);
  t.match(parseHello(valid), { status: 'ok', name: 'api.example.com', alpn: ['h2'], encrypted: false });

  t.test('reads a hello in any number of records and segments', async () => {
    const message = hello('api.example.com');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: message.length }), (size) => {
        const whole = records(message, size);
        for (let length = 0; length < whole.length; length++)
          if (parseHello(whole.subarray(0, length)).status !== 'more') return false;
        return parseHello(whole).status === 'ok';
      }),
    );
  });

  t.test('never throws and gives the same answer whatever lies after its input', async () => {
    const check = (input: Buffer): boolean =>
      JSON.stringify(parseHello(input)) === JSON.stringify(parseHello(guarded(input)));
    fc.assert(fc.property(bytes(), check), runs);
    fc.assert(fc.property(mutated(valid), check), runs);
  });

  t.test('refuses what could be read in two ways', async (t) => {
    const bad = (message: Buffer): unknown => parseHello(records(message, 16384)).status;
    t.equal(bad(hello('a.test', [[0, Buffer.from([0, 4, 0, 0, 1, 0x62])]])), 'bad', 'two server names');
    t.equal(bad(hello('')), 'bad', 'an empty name');
    t.equal(bad(Buffer.concat([hello('a.test'), Buffer.from([0])])), 'bad', 'bytes after the hello');
    t.equal(bad(Buffer.from([2, 0, 0, 0])), 'bad', 'another message');
    t.match(parseHello(records(hello('a.test', [[0xfe0d, Buffer.alloc(4)]]), 16384)), { encrypted: true });
  });
});

t.test('the HTTP head parser', async (t) => {
  const valid = Buffer.from(
    'POST /a?b HTTP/1.1\r\nHost: api.test:80\r\nContent-Length: 5\r\nX: y\r\n\r\nhello',
  );

  t.test('never throws and gives the same answer whatever lies after its input', async () => {
    const check = (input: Buffer): boolean =>
      JSON.stringify(parseHead(input)) === JSON.stringify(parseHead(guarded(input)));
    fc.assert(fc.property(bytes(), check), runs);
    fc.assert(fc.property(mutated(valid), check), runs);
  });

  t.test('an accepted head has one host, a path for a target, and ends where it says', async () => {
    fc.assert(
      fc.property(mutated(valid), (input) => {
        const parsed = parseHead(input);
        if (parsed.status !== 'ok') return true;
        const { head } = parsed;
        const text = input.subarray(0, head.size).toString('latin1');
        return (
          text.endsWith('\r\n\r\n') && head.target.startsWith('/') && text.match(/\nhost:/gi)?.length === 1
        );
      }),
      runs,
    );
  });

  t.test('the body reader never takes more than there is, however the bytes are cut', async () => {
    const chunked = Buffer.from('5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\nNEXT');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 40, maxLength: 40 }), (cuts) => {
        const reader = new BodyReader({ kind: 'chunked' });
        let at = 0;
        for (const cut of cuts) {
          const piece = chunked.subarray(at, at + cut);
          const eaten = reader.eat(piece);
          if ('bad' in eaten || eaten.size > piece.length) return false;
          at += eaten.size;
          if (eaten.done) return chunked.subarray(at).toString() === 'NEXT';
        }
        return false;
      }),
    );
    fc.assert(
      fc.property(bytes(256), (input) => {
        const eaten = new BodyReader({ kind: 'chunked' }).eat(input);
        return 'bad' in eaten || eaten.size <= input.length;
      }),
      runs,
    );
  });
});

t.test(
  'first words are classified without throwing, and HTTP is never taken for something else',
  async (t) => {
    fc.assert(
      fc.property(bytes(20_000), (input) => (classify(input), true)),
      { numRuns: 500 },
    );
    const request = 'GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n';
    for (const before of ['', '\r\n', '\n', ' ', '\t\r\n'])
      t.equal(classify(Buffer.from(before + request))?.kind, 'http', JSON.stringify(before));
    t.equal(classify(Buffer.from('get / http/1.1\nhost: x\n\n'))?.kind, 'http');
    t.equal(classify(Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'))?.kind, 'opaque');
    t.equal(classify(Buffer.from('GE')), undefined);
  },
);

t.test('the DNS query parser', async (t) => {
  const opt: dns.Answer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  const valid = dns.encode({
    type: 'query',
    id: 4,
    questions: [{ type: 'A', name: 'api.example.com' }],
    additionals: [opt],
  });
  t.match(parseQuery(valid), { ok: true, query: { id: 4, name: 'api.example.com', type: 1, udpSize: 1232 } });

  t.test('never throws and gives the same answer whatever lies after its input', async () => {
    const check = (input: Buffer): boolean =>
      JSON.stringify(parseQuery(input)) === JSON.stringify(parseQuery(guarded(input)));
    fc.assert(fc.property(bytes(), check), runs);
    fc.assert(fc.property(mutated(valid), check), runs);
  });

  t.test('what it accepts the library reads in the same way', async () => {
    fc.assert(
      fc.property(mutated(valid), (input) => {
        const parsed = parseQuery(input);
        if (!parsed.ok || parsed.query.name.includes('\\') || parsed.query.name === '') return true;
        return dns.decode(input).questions?.[0]?.name.toLowerCase() === parsed.query.name;
      }),
      runs,
    );
  });

  t.test('an answer of ours is one that the library reads', async (t) => {
    const parsed = parseQuery(valid);
    if (!parsed.ok) throw new Error(parsed.reason);
    const addresses = Array.from({ length: 16 }, (_, i) => `93.184.216.${i}`);
    const reply = dns.decode(encodeReply(parsed.query, { rcode: 0, addresses, ttl: 60 }, 1232));
    t.same(
      reply.answers?.map((record) => 'data' in record && record.data),
      addresses,
    );
    const short = encodeReply(parsed.query, { rcode: 0, addresses, ttl: 60 }, 100);
    t.ok(dns.decode(short).flag_tc && short.length <= 100);
  });
});

t.test('an upstream answer is decoded without throwing, and only addresses come out', async () => {
  const name = 'api.example.com';
  const valid = dns.encode({
    type: 'response',
    id: 77,
    questions: [{ type: 'AAAA', name }],
    answers: [
      { type: 'CNAME', name, data: 'b.example.com', ttl: 3 },
      { type: 'CNAME', name: 'b.example.com', data: name, ttl: 3 },
      { type: 'AAAA', name: 'c.example.com', data: '::1', ttl: 3 },
    ],
  });
  const check = (input: Buffer): boolean => {
    const answer = decodeAnswer(input, 77, name, 'AAAA');
    return answer.kind !== 'answer' || answer.addresses.every((address) => canonical(address) !== undefined);
  };
  fc.assert(fc.property(bytes(), check), runs);
  fc.assert(fc.property(mutated(valid), check), runs);
  fc.assert(
    fc.property(bytes(), (tail) => check(Buffer.concat([encodeQuestion(77, name, 'AAAA'), tail]))),
    runs,
  );
});

t.test('lines come out as they went in, however they are cut, and never longer than the limit', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z]{0,30}$/)),
      fc.integer({ min: 1, max: 17 }),
      (lines, cut) => {
        const stream = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const splitter = new LineSplitter(20);
        const out: string[] = [];
        let fits = true;
        for (let at = 0; fits && at < stream.length; at += cut)
          fits = splitter.feed(stream.subarray(at, at + cut), (line) => out.push(line.toString()) > 0);
        return fits ? out.join() === lines.join() : lines.some((line) => line.length > 20);
      },
    ),
  );
});

t.test('an address in any spelling is no host name', async (t) => {
  for (const text of [
    '1.2.3.4',
    '2852039166',
    '0xa9fea9fe',
    '127.1',
    'a.0x7f',
    '',
    'a..b',
    '-a.test',
    'a b',
    'ä.test',
    '::1',
  ])
    t.notOk(isHostName(text), text);
  for (const text of ['a.test', 'localhost', '_dmarc.x.test', '1.a']) t.ok(isHostName(text), text);
  t.equal(canonical('::ffff:A9FE:a9fe'), '169.254.169.254');
  t.equal(canonical('2001:DB8:0:0::1'), '2001:db8::1');
});
