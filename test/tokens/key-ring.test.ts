import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  jwksOf,
  KeyRing,
  keyLead,
  keySource,
  readToken,
  softwareKeeper,
  claimsJson,
  tokenType,
} from '../../daemon/tokens/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { now, sampleClaims } from './support.ts';

const hour = 3_600_000;

t.test('keys are kept in a file that only its owner reads, and come back', async (t) => {
  const file = join(temporaryDirectory(t), 'tokens', 'keys.json');
  const ring = await KeyRing.open(file, softwareKeeper(), now);
  t.equal(statSync(file).mode & 0o777, 0o600);
  const again = await KeyRing.open(file, softwareKeeper(), now);
  t.equal(again.signing(now).kid, ring.signing(now).kid);
  t.equal(ring.signing(now).algorithm, 'EdDSA');
  const published = JSON.stringify(jwksOf(ring.published(now)));
  t.notMatch(published, /"d"/);
  t.match(readFileSync(file, 'utf8'), /"d"/);
});

t.test('a file that is no key file is an error and is left alone', async (t) => {
  const file = join(temporaryDirectory(t), 'keys.json');
  writeFileSync(file, 'not a key');
  await t.rejects(KeyRing.open(file, softwareKeeper(), now), { code: 'config-invalid' });
  t.equal(readFileSync(file, 'utf8'), 'not a key');
});

t.test('a new key is published before it signs, the old one until its last token has expired', async (t) => {
  const file = join(temporaryDirectory(t), 'keys.json');
  const ring = await KeyRing.open(file, softwareKeeper('ES256'), now);
  const old = ring.signing(now);
  const next = await ring.rotate(now, false);
  const kids = (at: number): string[] => ring.published(at).map(({ kid }) => kid);
  t.strictSame(kids(now), [old.kid, next.kid]);
  t.equal(ring.signing(now).kid, old.kid);
  t.equal(ring.signing(now + keyLead).kid, next.kid);
  const token = await old.sign(tokenType, claimsJson(sampleClaims()));
  const keys = keySource(jwksOf(ring.published(now + keyLead + hour)), () => now);
  t.ok(await readToken(token, keys));
  t.strictSame(kids(now + keyLead + 2 * hour), [next.kid]);
  const again = await KeyRing.open(file, softwareKeeper(), now);
  t.equal(again.signing(now + keyLead).kid, next.kid);
});

t.test('a rotation at once leaves no older key', async (t) => {
  const ring = await KeyRing.open(join(temporaryDirectory(t), 'keys.json'), softwareKeeper(), now);
  const next = await ring.rotate(now, true);
  t.strictSame(
    ring.published(now).map(({ kid }) => kid),
    [next.kid],
  );
  t.equal(ring.signing(now).kid, next.kid);
  t.equal(ring.isDue(now + 29 * 24 * hour), false);
  t.equal(ring.isDue(now + 30 * 24 * hour), true);
});

t.test('a rotation at once that fails leaves the keys as they were, here and in the file', async (t) => {
  const file = join(temporaryDirectory(t), 'keys.json');
  const keeper = softwareKeeper();
  let broken = false;
  const make = (): Promise<unknown> =>
    broken ? Promise.reject(new Error('the TPM is busy')) : keeper.make();
  const ring = await KeyRing.open(file, { ...keeper, make }, now);
  const { kid } = ring.signing(now);
  broken = true;
  await t.rejects(ring.rotate(now, true), { message: 'the TPM is busy' });
  t.equal(ring.signing(now).kid, kid);
  t.equal((await KeyRing.open(file, keeper, now)).signing(now).kid, kid);
  broken = false;
  const next = await ring.rotate(now, true);
  t.same(
    ring.published(now).map((each) => each.kid),
    [next.kid],
  );
});
