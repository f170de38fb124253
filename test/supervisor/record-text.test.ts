import t from 'tap';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { recordText, RecordTexts } from '../../daemon/supervisor/record-text.ts';
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

t.test('what is remembered of one record is said of no other', async () => {
  const few = fc.constantFrom('a', 'b');
  const alike = fc.record(
    {
      operation: few,
      reason: few,
      pid: fc.nat(2),
      exe: few,
      object: few,
      generation: fc.nat(1),
      rule: fc.nat(2),
    },
    { noNullPrototype: true },
  );
  const [sample] = sampleRecords;
  assert.ok(sample !== undefined);
  const rules = ['x', 'y'].map((id) => ({ id, source: { file: 'f', line: 1, key: 'k' } }));
  fc.assert(
    fc.property(fc.array(alike, { maxLength: 40 }), (given) => {
      const texts = new RecordTexts();
      for (const { pid, exe, rule: at, ...rest } of given) {
        const [rule] = rules.slice(at);
        const more = { ...rest, process: { pid, exe }, ...(rule === undefined ? {} : { rule }) };
        const record: SessionRecord = { ...sample, ...more };
        assert.equal(texts.of(record).join(''), recordText(record));
      }
    }),
    { numRuns: 500 },
  );
});
