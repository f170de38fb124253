import t from 'tap';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { recordText } from '../../daemon/supervisor/record-text.ts';
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
