import assert from 'node:assert/strict';
import t from 'tap';
import fc from 'fast-check';
import { decodeJournal, encodeJournalFrame } from '../../daemon/wire/mod.ts';

const record = (seq: number, object = 'x'): string => JSON.stringify({ seq, object });
const records = fc
  .array(fc.string({ unit: 'grapheme', maxLength: 60 }), { maxLength: 8 })
  .map((l) => l.map((o, i) => record(i, o)));

t.test('what was written is read back', async (t) => {
  fc.assert(
    fc.property(records, (written) => {
      const bytes = Buffer.concat(written.map(encodeJournalFrame));
      assert.deepStrictEqual(decodeJournal(bytes), {
        records: written,
        consumed: bytes.length,
        damage: [],
        torn: false,
      });
    }),
  );
  t.pass('the property holds');
});

t.test('a journal cut anywhere gives every whole record, and the rest when it has arrived', async (t) => {
  fc.assert(
    fc.property(records, fc.nat(), (written, at) => {
      const bytes = Buffer.concat(written.map(encodeJournalFrame));
      const cut = bytes.length === 0 ? 0 : at % bytes.length;
      const first = decodeJournal(bytes.subarray(0, cut));
      assert.equal(first.damage.length, 0);
      assert.equal(first.torn, first.consumed < cut);
      const second = decodeJournal(bytes.subarray(first.consumed));
      assert.deepStrictEqual([...first.records, ...second.records], written);
    }),
  );
  t.pass('the property holds');
});

t.test(
  'a torn frame in the middle is reported with its offset, and the records behind it are found',
  async (t) => {
    const one = encodeJournalFrame(record(1));
    const torn = encodeJournalFrame(record(2, 'y'.repeat(100))).subarray(0, 60);
    const three = encodeJournalFrame(record(3));
    const bytes = Buffer.concat([one, torn, three]);
    t.strictSame(decodeJournal(bytes).torn, true, 'while the writer lives it may still be completed');
    const final = decodeJournal(bytes, { final: true });
    t.strictSame(final.records, [record(1), record(3)]);
    t.strictSame(
      final.damage.map(({ offset, length }) => ({ offset, length })),
      [{ offset: one.length, length: 60 }],
    );
  },
);

t.test('one flipped byte costs at most the record it is in', async (t) => {
  const written = [0, 1, 2, 3].map((seq) => record(seq));
  const frames = written.map(encodeJournalFrame);
  const size = frames[0]!.length;
  fc.assert(
    fc.property(fc.nat(size * 4 - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = Buffer.concat(frames);
      bytes[at] = bytes[at]! ^ flip;
      const { records: got, damage } = decodeJournal(bytes, { final: true });
      const hit = Math.floor(at / size);
      assert.deepStrictEqual(
        got,
        written.filter((_, i) => i !== hit),
      );
      assert.equal(damage.length, 1);
      assert.equal(damage[0]!.offset, hit * size);
    }),
  );
  t.pass('the property holds');
});

t.test('arbitrary bytes never throw and always come to an end', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.boolean(), (noise, final) => {
      const chunk = decodeJournal(Buffer.from(noise), { final });
      assert.ok(chunk.consumed <= noise.length);
      if (final) assert.equal(chunk.consumed, noise.length);
    }),
    { numRuns: 2000 },
  );
  t.pass('the property holds');
});
