import assert from 'node:assert/strict';
import t from 'tap';
import fc from 'fast-check';
import { frame, Framer, maxEnvelope } from '../../daemon/wire/mod.ts';

const cutAt = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const points = [0, ...cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return points.slice(1).map((end, i) => bytes.subarray(points[i], end));
};

t.test('frames come out whole and in order however the stream is cut', async (t) => {
  const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 9000 }), { maxLength: 6 });
  fc.assert(
    fc.property(payloads, fc.array(fc.nat(), { maxLength: 20 }), (sent, cuts) => {
      const framer = new Framer();
      const got: Buffer[] = [];
      const stream = Buffer.concat(sent.map(frame));
      for (const chunk of cutAt(stream, cuts)) framer.push(chunk, (p) => got.push(p));
      assert.equal(Buffer.concat(got).compare(Buffer.concat(sent)), 0);
      assert.deepStrictEqual(
        got.map((g) => g.length),
        sent.map((s) => s.length),
      );
      assert.equal(framer.partial, false);
    }),
    { numRuns: 200 },
  );
  t.pass('the property holds');
});

t.test('one byte at a time is enough', async (t) => {
  const framer = new Framer();
  const got: string[] = [];
  for (const byte of frame(Buffer.from('hello'))) framer.push(Buffer.of(byte), (p) => got.push(p.toString()));
  t.strictSame(got, ['hello']);
});

t.test('a frame is the receiver’s own copy', async (t) => {
  const bytes = frame(Buffer.from('before'));
  let got: Buffer = Buffer.alloc(0);
  new Framer().push(bytes, (p) => (got = p));
  bytes.fill(0);
  t.equal(got.toString(), 'before');
});

t.test('an empty frame and one over the cap are refused before their bytes arrive', async (t) => {
  for (const length of [0, maxEnvelope + 1, 0xffffffff]) {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(length);
    t.throws(() => new Framer().push(header, () => t.fail('no frame')), { code: 'protocol' });
  }
});

t.test('announcing a large frame does not cost its memory', async (t) => {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(maxEnvelope);
  const before = process.memoryUsage().arrayBuffers;
  const framers = Array.from({ length: 500 }, () => new Framer());
  for (const framer of framers) framer.push(header, () => t.fail('no frame'));
  const used = process.memoryUsage().arrayBuffers - before;
  t.ok(used < 16 * 1024 * 1024, `500 announced frames of 1 MiB hold ${used} bytes`);
  t.ok(framers.every((f) => f.partial));
});
