// Signatures of ES256 as JOSE has them, from the DER that Node makes.
import t from 'tap';
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { derOf } from '../../daemon/tokens/ecdsa.ts';
import { sideBySide, signEs256 } from '../../daemon/wire/es256.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const accepts = (text: string, signature: Buffer): boolean =>
  verify('sha256', Buffer.from(text), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);

t.test('R and S of any size, short ones and those with the highest bit set, are 32 bytes each', async (t) => {
  const number = fc
    .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(31))
    .map(([bytes, zeros]) => Buffer.from(bytes).fill(0, 0, zeros))
    .filter((bytes) => bytes.some((byte) => byte !== 0));
  fc.assert(
    fc.property(number, number, (r, s) => {
      const both = Buffer.concat([r, s]);
      assert.deepEqual(sideBySide(derOf(both)), both);
    }),
  );
  const high = Buffer.alloc(64, 0xff);
  t.same(sideBySide(derOf(high)), high);
  const low = Buffer.concat([Buffer.alloc(31), Buffer.of(1), Buffer.alloc(31), Buffer.of(0x80)]);
  t.same(sideBySide(derOf(low)), low);
});

t.test('what it signs others accept, and only that', async (t) => {
  for (let i = 0; i < 200; i++) {
    const signature = Buffer.from(signEs256(`text ${i}`, privateKey), 'base64url');
    assert.equal(signature.length, 64);
    assert.ok(accepts(`text ${i}`, signature));
    assert.ok(!accepts(`text ${i + 1}`, signature));
    assert.ok(accepts('other', sideBySide(sign('sha256', Buffer.from('other'), privateKey))));
  }
  t.pass();
});
