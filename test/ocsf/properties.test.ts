import t from 'tap';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CordonError } from '../../daemon/model/mod.ts';
import { bounded, canonical, classOf, eventText, recordOf } from '../../daemon/ocsf/mod.ts';
import type { JsonValue } from '../../daemon/ocsf/mod.ts';
import { hostile, record } from './arbitrary.ts';
import { inSession, ofDaemon } from './samples.ts';
import { violations } from './validate.ts';

const context = fc.constantFrom(inSession, ofDaemon);
const part = fc.constantFrom('record', 'outcome');

t.test('any record comes back from its event as it was', async () => {
  fc.assert(
    fc.property(record, context, part, (given, where, which) => {
      const text = eventText(given, where, which);
      assert.deepEqual(recordOf(text), given);
    }),
    { numRuns: 800 },
  );
});

t.test('any event is canonical and valid', async () => {
  fc.assert(
    fc.property(fc.oneof(record, hostile), context, part, (given, where, which) => {
      const text = eventText(given, where, which);
      assert.equal(canonical(JSON.parse(text) as JsonValue), text);
      assert.deepEqual(violations(text), []);
    }),
    { numRuns: 400 },
  );
});

t.test(
  'whatever a journal holds becomes an event of bounded size, and comes back cut the same way',
  async () => {
    fc.assert(
      fc.property(hostile, (given) => {
        const text = eventText(given, inSession, 'record');
        const cut = bounded(given);
        assert.deepEqual(recordOf(text), cut);
        assert.equal(bounded(cut), cut, 'what was cut is whole');
        assert.ok(text.length < 4_000_000);
        classOf(cut);
      }),
      { numRuns: 400 },
    );
  },
);

t.test('a text that is no event of ours is refused, and nothing else is thrown', async () => {
  const whole = eventText(bounded({ ...fc.sample(record, 1)[0]! }), inSession, 'record');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.nat(whole.length - 1).map((at) => whole.slice(0, at)),
        fc
          .tuple(fc.nat(whole.length - 1), fc.string({ maxLength: 3 }))
          .map(([at, put]) => whole.slice(0, at) + put + whole.slice(at + 1)),
      ),
      (text) => {
        try {
          recordOf(text);
        } catch (error) {
          assert.ok(error instanceof CordonError && error.code === 'protocol');
        }
      },
    ),
    { numRuns: 800 },
  );
});
