import t from 'tap';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { eventText, templateOf, templateOfPieces, varyingOf } from '../../daemon/ocsf/mod.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { hostile, record } from './arbitrary.ts';
import { inSession, ofDaemon, sampleRecords } from './samples.ts';

const context = fc.constantFrom(inSession, ofDaemon);
const plainText = fc.stringMatching(/^[ !#-Z^-~/]{0,40}$/);
const differing = fc.record(
  {
    id: fc.stringMatching(/^[a-z0-9]{1,8}-[0-9]{1,9}$/),
    seq: fc.maxSafeNat(),
    ms: fc.integer({ min: 0, max: 8_640_000_000_000_000 }),
    object: fc.oneof(plainText, fc.constantFrom('', '/', '//', '/a/', 'a', '/a/b.c')),
  },
  { noNullPrototype: true },
);
const kinds = ['file', 'exec'] as const;
const alike = fc.oneof(
  fc.constantFrom(...sampleRecords.filter(({ kind }) => kind === 'file' || kind === 'exec')),
  fc.tuple(record, fc.constantFrom(...kinds)).map(([each, kind]): SessionRecord => ({ ...each, kind })),
);

t.test('a template says of every record what the event of that record says', async () => {
  const made = { file: 0, exec: 0 };
  fc.assert(
    fc.property(alike, differing, differing, context, (like, first, second, where) => {
      const [a, b] = [first, second].map(({ ms, ...rest }): SessionRecord => ({
        ...like,
        ...rest,
        // Each execution is of a process of its own.
        ...(like.kind === 'exec' && like.process !== undefined
          ? { process: { ...like.process, pid: rest.seq % 4_194_304 } }
          : {}),
        time: ms,
      }));
      assert.ok(a !== undefined && b !== undefined);
      const template = templateOf(a, where);
      if (template === undefined) return;
      made[like.kind as 'file' | 'exec'] += 1;
      assert.deepEqual(templateOfPieces(template.pieces)?.text(varyingOf(b)), template.text(varyingOf(b)));
      assert.equal(template.text(varyingOf(b)), eventText(b, where, 'record'));
      const between = { ...b, time: (b.time % 2 ** 40) + 0.125 };
      const exact = templateOf({ ...a, time: 1.5 }, where);
      assert.ok(exact !== undefined);
      assert.equal(exact.text(varyingOf(between)), eventText(between, where, 'record'));
    }),
    { numRuns: 1000 },
  );
  for (const kind of kinds) assert.ok(made[kind] > 100, `${made[kind]} templates were made of ${kind}`);
});

t.test('a record that says what stands for the difference gets no template', async (t) => {
  const like = sampleRecords.find(({ kind }) => kind === 'file');
  assert.ok(like !== undefined);
  t.ok(templateOf(like, inSession));
  for (const reason of ['name-5f1c9be2', '4503599627370431', 'x cordon-template-5f1c9be2-id x'])
    t.equal(templateOf({ ...like, reason }, inSession), undefined, reason);
  t.equal(templateOf({ ...like, object: 'a"b' }, inSession), undefined);
  t.equal(templateOf({ ...like, kind: 'socket' }, inSession), undefined);
});

t.test('whatever a journal holds gets a true template or none', async () => {
  fc.assert(
    fc.property(hostile, differing, fc.constantFrom(...kinds), (like, { ms, ...rest }, kind) => {
      const template = templateOf({ ...like, kind }, inSession);
      const other = { ...like, ...rest, kind, time: Number.isInteger(like.time) ? ms : 0.5 };
      if (template !== undefined)
        assert.equal(template.text(varyingOf(other)), eventText(other, inSession, 'record'));
    }),
    { numRuns: 400 },
  );
});
