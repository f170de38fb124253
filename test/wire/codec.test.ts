import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import t from 'tap';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { generate } from '../../daemon/wire/generate.ts';
import { CordonError } from '../../daemon/model/mod.ts';
import { decodeEnvelope, encodeEnvelope, isAnswer, maxEnvelope, message } from '../../daemon/wire/mod.ts';
import type { Envelope, Kind } from '../../daemon/wire/mod.ts';
import { bodyTable, fieldTables } from '../../daemon/wire/messages.gen.ts';
import type { FieldRow } from '../../daemon/wire/messages.gen.ts';

const wire = (name: string): string =>
  readFileSync(new URL(`../../daemon/wire/${name}`, import.meta.url), 'utf8');
const reference = protobuf.parse(wire('cordon.proto')).root.lookupType('cordon.v1.Envelope');

const scalar: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: fc.string({ unit: 'grapheme', maxLength: 20 }),
  bytes: fc.uint8Array({ maxLength: 40 }),
  bool: fc.boolean(),
  double: fc.double({ noNaN: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
  uint32: fc.nat({ max: 0xffffffff }),
  int32: fc.integer(),
  uint64: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
};
const field = (row: FieldRow): fc.Arbitrary<unknown> => {
  const one = scalar[row.type] ?? struct(row.type);
  return row.repeated ? fc.array(one, { maxLength: 4 }) : one;
};
const struct = (type: string): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(Object.fromEntries(fieldTables[type]!.map((row) => [row.name, field(row)])));
const envelopes: fc.Arbitrary<Envelope> = fc
  .constantFrom(...bodyTable)
  .chain(({ kind, type }) =>
    fc
      .tuple(fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.boolean(), struct(type))
      .map(([request, more, body]) => ({ request, more, message: message(kind, body as never) })),
  );

const plain = (value: unknown): unknown =>
  value instanceof Uint8Array
    ? [...value]
    : Array.isArray(value)
      ? value.map(plain)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))
        : value;

t.test('messages.gen.ts is what cordon.proto generates', async (t) => {
  t.equal(wire('messages.gen.ts'), generate(wire('cordon.proto')), 'run daemon/wire/generate.ts');
});

t.test('every message survives encoding and decoding', async (t) => {
  fc.assert(
    fc.property(envelopes, (envelope) => {
      const back = decodeEnvelope(encodeEnvelope(envelope));
      assert.deepStrictEqual(plain(back), plain(envelope));
    }),
    { numRuns: 300 },
  );
  t.pass('the property holds');
});

t.test('the encoding is that of a reference implementation of protobuf', async (t) => {
  fc.assert(
    fc.property(envelopes, (envelope) => {
      const ours = encodeEnvelope(envelope);
      const theirs = reference.toObject(reference.decode(ours), { longs: Number, defaults: true });
      assert.deepStrictEqual(plain(theirs[envelope.message.kind]), plain(envelope.message.body));
      const again = reference.encode(reference.fromObject({ ...theirs })).finish();
      assert.deepStrictEqual(plain(decodeEnvelope(again)), plain(envelope));
    }),
    { numRuns: 300 },
  );
  t.pass('the property holds');
});

t.test('arbitrary bytes decode or are refused as a protocol error, never anything else', async (t) => {
  const attempt = (bytes: Uint8Array): boolean => {
    try {
      decodeEnvelope(bytes);
      return true;
    } catch (error) {
      return error instanceof CordonError && error.code === 'protocol';
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), attempt), { numRuns: 3000 });
  const flipped = fc.tuple(envelopes, fc.nat(), fc.nat(255)).map(([envelope, at, byte]) => {
    const bytes = encodeEnvelope(envelope);
    bytes[at % bytes.length] = byte;
    return bytes;
  });
  fc.assert(fc.property(flipped, attempt), { numRuns: 3000 });
  const cut = fc.tuple(envelopes, fc.nat()).map(([e, at]) => {
    const bytes = encodeEnvelope(e);
    return bytes.subarray(0, at % bytes.length);
  });
  fc.assert(fc.property(cut, attempt), { numRuns: 2000 });
  t.pass('the property holds');
});

const refused = (bytes: readonly number[], what: RegExp): void => {
  t.throws(() => decodeEnvelope(Buffer.from(bytes)), { code: 'protocol', message: what });
};

t.test('what is not exactly one message of protocol 1 is refused', async (t) => {
  refused([], /protocol 0/);
  refused([8, 2, 0xb2, 1, 0], /protocol 2/);
  refused([8, 1], /no message/);
  refused([8, 1, 0x5a, 0, 0x5a, 0], /two messages/);
  refused([8, 1, 0x5b, 0], /wrong wire type/);
  refused([8, 1, 0x52, 3, 10, 1, 0xff], /not UTF-8/);
  refused([8, 1, 0x52, 0x7f, 10], /ends early/);
  refused([8, 1, 16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x5a, 0], /out of range/);
  refused([8, 1, 0x9b, 0x06], /cannot be skipped/);
  t.pass('all were refused');
});

t.test('fields that are not known are skipped, so that a newer peer may add some', async (t) => {
  const known = encodeEnvelope({ request: 3, more: false, message: message('ack', { generation: 9 }) });
  const unknown = Buffer.from([0xf8, 0x3f, 5, 0xfa, 0x3f, 2, 1, 2]);
  t.strictSame(decodeEnvelope(Buffer.concat([unknown, known])).message.body, { generation: 9 });
});

t.test('an envelope over the cap is not encoded', async (t) => {
  const data = Buffer.alloc(maxEnvelope);
  t.throws(() => encodeEnvelope({ request: 0, more: false, message: message('terminalOutput', { data }) }), {
    code: 'limit',
  });
});

t.test('every message named an answer, ack and failure are answers, and nothing else', async (t) => {
  for (const { kind } of bodyTable) {
    const expected = kind === 'ack' || kind === 'failure' || /Answer$/.test(kind);
    t.equal(isAnswer(kind satisfies Kind), expected, kind);
  }
});
