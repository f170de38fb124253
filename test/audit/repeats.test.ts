import t from 'tap';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseRecord } from '../../daemon/audit/parse-record.ts';
import { eventOf, Repeats } from '../../daemon/audit/repeats.ts';
import { eventText } from '../../daemon/ocsf/mod.ts';
import { inSession, ofDaemon } from '../ocsf/samples.ts';

const session = 's1';
const whole = { mode: 'enforce', generation: 1, kind: 'file', operation: 'write', disposition: 'allowed' };
const rest = { ...whole, layer: 'decision', reason: 'a rule allows it' };

/** As the writer puts it: what differs, then the rest. */
const front = (seq: number, object: string, time: number | string = 7.5): string =>
  `{"id":"${session}-${seq}","session":"${session}","seq":${seq},"time":${time},"object":${JSON.stringify(object)}`;
const text = (seq: number, object: string, more: object = {}): string =>
  `${front(seq, object)},${JSON.stringify({ ...rest, ...more }).slice(1)}`;

/** Reads all, and holds each against reading it by itself. */
function readAll(texts: readonly string[]): number {
  const repeats = new Repeats(session);
  let alike = 0;
  texts.forEach((each, i) => {
    const read = repeats.read(each);
    assert.deepEqual(read?.record, parseRecord(each, session));
    if (read === undefined) return;
    const where = i % 5 === 0 ? ofDaemon : inSession;
    assert.equal(eventOf(read, where), eventText(read.record, where, 'record'));
    if (read.alike !== undefined) alike += 1;
  });
  return alike;
}

t.test('records that are like others are read as if each were alone', async (t) => {
  const many = Array.from({ length: 50 }, (_, i) => text(i + 1, `/a/${i}`, { process: { pid: i % 2 } }));
  t.ok(readAll(many) >= 44, 'from the third on');
  t.equal(
    readAll(many.map((each) => each.replace('/a/', `/${'a'.repeat(20_000)}/`))),
    0,
    'an event cuts these',
  );
  t.ok(readAll(many.map((each) => each.replace('"kind":"file"', '"kind":"exec"'))) >= 44, 'executions');
  const ofMany = many.map((_, i) =>
    text(i + 1, `/b/${i}`, { kind: 'exec', process: { pid: 100 + i, comm: 'c' }, detail: { argv: ['c'] } }),
  );
  t.ok(readAll(ofMany) >= 44, 'executions, each by another process');
  t.equal(readAll(many.map((each) => each.replace('"kind":"file"', '"kind":"socket"'))), 0);
});

const tails = fc.constantFrom(
  `,${JSON.stringify(rest).slice(1)}`,
  `,${JSON.stringify({ ...rest, outcome: '0' }).slice(1)}`,
  // Says again what came before it: the last one counts.
  `,"object":"/x",${JSON.stringify(rest).slice(1)}`,
  `,"seq":9,${JSON.stringify(rest).slice(1)}`,
  `,"time":9,${JSON.stringify(rest).slice(1)}`,
  `,"id":"s1-1",${JSON.stringify(rest).slice(1)}`,
  `,"session":"other",${JSON.stringify(rest).slice(1)}`,
  `,"__proto__":{"a":1},${JSON.stringify(rest).slice(1)}`,
  `,"detail":{"object":"/y"},${JSON.stringify(rest).slice(1)}`,
  // Says the process of an execution again, or elsewhere.
  ...[
    '{"pid":7}',
    '{"pid":7,"pid":8}',
    '{"pid":7},"process":{"pid":7}',
    '{"pid":07}',
    '{"pid":7},"process":9',
  ].map((process) => `,${JSON.stringify({ ...rest, kind: 'exec' }).slice(1, -1)},"process":${process}}`),
  `,"detail":{"a":1,"process":{"pid":7}},${JSON.stringify({ ...rest, kind: 'exec' }).slice(1)}`,
  ',"a":1}',
  ' , "kind":"file"}',
  '',
  ',',
);
const objects = fc.oneof(
  fc.constantFrom('/a/b', '', '/', 'cordon-repeat-5f1c9be2', 'a"b', 'é', '\\', '\u0000', '/a/b/c d'),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const times = fc.constantFrom(0, 7, 7.5, '7.0', '1e3', '-1', '-0', '1e99', 'null', '8640000000000001', '07');
const frames = fc.record({
  seq: fc.integer({ min: -1, max: 30 }),
  object: objects,
  time: times,
  tail: tails,
});

t.test('a rest that says again what one record has by chance is read anew for the next', async () => {
  for (const again of ['"seq":9', '"id":"s1-9"', '"time":7.5', '"object":"/a"'])
    readAll([9, 9, 9, 3, 4, 9].map((seq) => `${front(seq, '/a')},${again},${JSON.stringify(rest).slice(1)}`));
  readAll([1, 2, 3].map((time) => `${front(9, '/b', time)},"time":2,${JSON.stringify(rest).slice(1)}`));
});

t.test('no text, however it was made, is read otherwise the second or third time', async () => {
  fc.assert(
    fc.property(fc.array(frames, { minLength: 1, maxLength: 12 }), (given) => {
      const texts = given.map(({ seq, object, time, tail }) => front(seq, object, time) + tail);
      readAll([...texts, ...texts, ...texts]);
    }),
    { numRuns: 1000 },
  );
});

t.test('other texts of these rests than the one that was seen are read as if each were alone', async () => {
  fc.assert(
    fc.property(tails, fc.array(frames, { minLength: 4, maxLength: 12 }), (tail, given) => {
      readAll(given.map(({ seq, object, time }) => front(seq, object, time) + tail));
    }),
    { numRuns: 500 },
  );
});
