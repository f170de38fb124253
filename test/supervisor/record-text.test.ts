import t from 'tap';
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { RecordBytes } from '../../daemon/supervisor/record-bytes.ts';
import { recordText } from '../../daemon/supervisor/record-text.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { record } from '../ocsf/arbitrary.ts';
import { sampleRecords } from '../ocsf/samples.ts';

t.test('a record is written as JSON that says it, what differs first', async () => {
  const session = fc.stringMatching(/^[a-z0-9]{1,12}$/);
  const any = fc.oneof(record, fc.constantFrom(...sampleRecords));
  fc.assert(
    fc.property(any, session, (given, of) => {
      const whole = { ...given, session: of };
      const text = recordText(whole);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(whole)));
      assert.ok(
        text.startsWith(`{"id":${JSON.stringify(whole.id)},"session":"${of}","seq":${whole.seq},"time":`),
      );
    }),
    { numRuns: 1000 },
  );
});

t.test('names with lone surrogates are escaped, as JSON.stringify does', async (t) => {
  const [sample] = sampleRecords;
  assert.ok(sample !== undefined);
  const text = recordText({ ...sample, object: '/a\ud800b', detail: { argv: ['\udfff"'] } });
  t.match(JSON.parse(text), { object: '/a\ud800b', detail: { argv: ['\udfff"'] } });
  t.ok(text.isWellFormed());
});

const long = fc.constantFrom(...['/a', '/é'].flatMap((each) => [each.repeat(120), each.repeat(900)]));
const few = fc.constantFrom('a', 'b', '\u00e9"');
const rules = ['x', 'y'].map((id) => ({ id, source: { file: 'f', line: 1, key: 'k' } }));
const alike = fc.record(
  {
    operation: few,
    reason: fc.oneof(few, long),
    pid: fc.oneof(fc.nat(2), fc.nat()),
    ppid: fc.option(fc.nat(12), { nil: undefined }),
    exe: fc.option(few, { nil: undefined }),
    comm: fc.option(few, { nil: undefined }),
    object: fc.oneof(few, fc.string({ unit: 'binary' }), long),
    object2: fc.option(few, { nil: undefined }),
    outcome: fc.option(few, { nil: undefined }),
    generation: fc.nat(1),
    rule: fc.nat(2),
    seq: fc.oneof(fc.integer({ min: 1, max: 101 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    time: fc.oneof(
      fc.constantFrom(7, 1_700_000_000_000, 1_700_000_000_001),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    ),
  },
  { noNullPrototype: true },
);

t.test('written as bytes after any others, a record is the same text', async () => {
  const [sample] = sampleRecords;
  assert.ok(sample !== undefined);
  const buffer = Buffer.alloc(65_536);
  fc.assert(
    fc.property(fc.array(alike, { maxLength: 40 }), fc.nat(100), (given, start) => {
      const bytes = new RecordBytes('abcd2345');
      for (const { pid, ppid, exe, comm, rule: at, seq, ...others } of given) {
        const [rule] = rules.slice(at);
        const more = {
          ...others,
          process: { pid, ppid, exe, comm },
          ...(rule === undefined ? {} : { rule }),
        };
        const numbered = { id: `abcd2345-${seq}`, session: 'abcd2345', seq };
        const record = { ...sample, ...more, ...numbered } as SessionRecord;
        const end = bytes.write(record, buffer, start);
        assert.equal(buffer.toString('utf8', start, end), recordText(record));
        assert.equal(bytes.checksum, crc32(buffer.subarray(start, end)));
      }
    }),
    { numRuns: 200 },
  );
});

t.test('a record for which there may be no room is not written over the end', async (t) => {
  const [sample] = sampleRecords;
  assert.ok(sample !== undefined);
  const record = { ...sample, object: '\u0001'.repeat(1000), id: `${sample.session}-${sample.seq}` };
  const room = Buffer.byteLength(recordText(record));
  const bytes = new RecordBytes(sample.session);
  for (let size = 0; size < 2 * room; size += 97) {
    const buffer = Buffer.alloc(size);
    const end = bytes.write(record, buffer, 0);
    if (end >= 0) t.equal(buffer.toString('utf8', 0, end), recordText(record));
    else t.ok(size < room + 1024, 'refused for no reason');
  }
});
