// Token keys that live in a TPM (a software one): made there, never out of it, and good for every backend all the same.
import t from 'tap';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { decodeProtectedHeader, importJWK, jwtVerify } from 'jose';
import type { JWK } from 'jose';
import {
  jwksOf,
  keyLead,
  KeyRing,
  softwareKeeper,
  tpmKeeper,
  verifyingKeys,
} from '../../daemon/tokens/mod.ts';
import { readKey, OBJECT } from '../../native-bindings/tpm/wire/mod.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const skip = noSwtpm ?? false;
const now = 1_700_000_000_000;

const check = async (token: string, jwk: object): Promise<unknown> =>
  (await jwtVerify(token, await importJWK(jwk as JWK, 'ES256'), { currentDate: new Date(now) })).payload;

t.test('token keys in the TPM', { skip }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const file = join(temporaryDirectory(t), 'keys.json');
  const tpm = swtpm.open();
  const open = () => KeyRing.open(file, tpmKeeper(tpm, 'software'), now);
  const ring = await open();
  const key = ring.signing(now);
  const [published] = jwksOf(ring.published(now)).keys;

  t.test('others verify what they sign, and see where the key is', async (t) => {
    const token = await key.sign('cordon-token+jwt', { iss: 'x' });
    t.match(decodeProtectedHeader(token), { alg: 'ES256', typ: 'cordon-token+jwt', kid: key.kid });
    t.match(await check(token, published!), { iss: 'x' });
    t.match(published, { alg: 'ES256', cordon: { held: 'tpm', tpm: 'software' } });
    t.ok((await verifyingKeys(jwksOf(ring.published(now)))).has(key.kid), 'by our own reader too');
  });

  t.test('the private key is never outside, and cannot be taken to another TPM', async (t) => {
    const text = readFileSync(file, 'utf8');
    const { keys } = JSON.parse(text) as { keys: { kept: { tpm: { publicArea: string } } }[] };
    t.notMatch(text, /"d"/);
    const { attributes } = readKey(Buffer.from(keys[0]!.kept.tpm.publicArea, 'base64'));
    const bound = OBJECT.fixedTPM | OBJECT.fixedParent | OBJECT.sensitiveDataOrigin;
    t.equal(attributes & bound, bound);
    const stranger = await startSwtpm(t, { certified: false });
    const stolen = await KeyRing.open(file, tpmKeeper(stranger.open(), 'software'), now);
    await t.rejects(stolen.signing(now).sign('t', {}), { code: 'unavailable' });
  });

  t.test('a key is the same after a restart, and after the TPM’s', async (t) => {
    const again = (await open()).signing(now);
    t.equal(again.kid, key.kid);
    await check(await again.sign('t', {}), published!);
    await swtpm.restart();
    await check(await again.sign('t', {}), published!);
  });

  t.test(
    'many at once are all signed, also when somebody takes the key out of the TPM meanwhile',
    async (t) => {
      const first = await Promise.all(Array.from({ length: 10 }, (_, i) => key.sign('t', { i })));
      await swtpm.tool('tpm2_flushcontext', '-t').catch(() => undefined);
      const second = await Promise.all(Array.from({ length: 10 }, (_, i) => key.sign('t', { i })));
      for (const token of [...first, ...second]) t.ok(await check(token, published!));
    },
  );

  t.test('what is done meanwhile is done once, before the signature is there, and can stop it', async (t) => {
    const done: string[] = [];
    const sign = () => key.sign('t', {}, () => void done.push('meanwhile')).then(() => done.push('signed'));
    await sign();
    await swtpm.tool('tpm2_flushcontext', '-t').catch(() => undefined);
    await sign();
    await swtpm.restart();
    await sign();
    t.same(done, ['meanwhile', 'signed', 'meanwhile', 'signed', 'meanwhile', 'signed']);
    const stopped = key.sign('t', {}, () => {
      throw new Error('no record, no token');
    });
    await t.rejects(stopped, { message: 'no record, no token' });
    await check(await key.sign('t', {}), published!);
  });

  t.test('a TPM that is gone signs nothing, and the reason says so', async (t) => {
    await swtpm.kill();
    await t.rejects(key.sign('t', {}), { code: 'unavailable', message: /the TPM does not sign/ });
    await swtpm.restart();
    await check(await key.sign('t', {}), published!);
  });

  t.test('keys move into the TPM, and out of it, without a token lost', async (t) => {
    const place = join(temporaryDirectory(t), 'keys.json');
    const before = await KeyRing.open(place, softwareKeeper(), now);
    t.equal(before.isDue(now), false);
    const moved = await KeyRing.open(place, tpmKeeper(tpm, 'software'), now);
    t.equal(moved.isDue(now), true);
    await moved.rotate(now, false);
    t.equal(moved.signing(now).held, 'file', 'the new one is published first');
    t.equal(moved.signing(now + keyLead).held, 'tpm');
    t.equal(moved.published(now).length, 2);
    const back = await KeyRing.open(place, softwareKeeper(), now + 2 * keyLead);
    t.equal(back.published(now).length, 2);
    await t.rejects(back.signing(now + 2 * keyLead).sign('t', {}), { message: /not used any more/ });
    t.equal(back.isDue(now + 2 * keyLead), true);
  });
});
