// The adversary at a backend, by name.
import { createHmac, generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import type { Test } from 'tap';
import { claimsJson, memoryReplay, signStatusList, TokenRefused } from '../../daemon/tokens/mod.ts';
import type { RefusalReason } from '../../daemon/tokens/mod.ts';
import { createTokenVerifier } from '../../daemon/tokens/token-verifier.ts';
import type { Presented, VerifierOptions } from '../../daemon/tokens/token-verifier.ts';
import { newProofKey, proofKeyOf, thumbprintOf } from '../../daemon/wire/mod.ts';
import { audience, endpoint, issuer, now, sampleClaims, seconds, url } from './support.ts';
import type { Endpoint } from './support.ts';

const verifierOf = ({ jwks }: Endpoint, more: Partial<VerifierOptions> = {}) =>
  createTokenVerifier({ jwks, issuer, audience, now: () => now, clockTolerance: 0, ...more });
const request = (from: Endpoint, token: string, more: Partial<Presented> = {}): Presented => ({
  authorization: `DPoP ${token}`,
  dpop: from.proof(token),
  method: 'POST',
  url,
  ...more,
});

async function refused(t: Test, work: Promise<unknown>, why: RefusalReason): Promise<void> {
  const outcome = await work.then(
    () => 'accepted',
    (error: unknown) => (error instanceof TokenRefused ? error.why : String(error)),
  );
  t.equal(outcome, why);
}

for (const algorithm of ['EdDSA', 'ES256'] as const)
  t.test(`a token by ${algorithm} is accepted once, with what it says`, async (t) => {
    const from = await endpoint(algorithm);
    const verifier = verifierOf(from);
    const token = await from.token();
    const claims = await verifier.verify(request(from, token));
    t.strictSame(claims, sampleClaims({ jkt: from.proofKey.thumbprint }));
    await refused(t, verifier.verify(request(from, token)), 'used-up');
  });

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

t.test('alg none, and an empty signature', async (t) => {
  const from = await endpoint();
  const [, payload, signature] = (await from.token()).split('.') as [string, string, string];
  const none = part({ alg: 'none', typ: 'cordon-token+jwt', kid: from.key.kid });
  for (const token of [`${none}.${payload}.`, `${none}.${payload}`])
    await refused(t, verifierOf(from).verify(request(from, token)), 'malformed');
  await refused(t, verifierOf(from).verify(request(from, `${none}.${payload}.${signature}`)), 'algorithm');
});

t.test('confusion: HS256 with the public key as the secret', async (t) => {
  for (const kind of ['EdDSA', 'ES256'] as const) {
    const from = await endpoint(kind);
    const [, payload] = (await from.token()).split('.') as [string, string];
    for (const secret of [
      JSON.stringify(from.key.publicJwk),
      Buffer.from(from.key.publicJwk.x, 'base64url'),
    ]) {
      const head = `${part({ alg: 'HS256', typ: 'cordon-token+jwt', kid: from.key.kid })}.${payload}`;
      const token = `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
      await refused(t, verifierOf(from).verify(request(from, token)), 'algorithm');
    }
  }
});

t.test('confusion: the other algorithm, a key of its own in the header, an unknown key', async (t) => {
  const from = await endpoint();
  const [head, payload, signature] = (await from.token()).split('.') as [string, string, string];
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, string>;
  const other = `${part({ ...header, alg: 'ES256' })}.${payload}.${signature}`;
  await refused(t, verifierOf(from).verify(request(from, other)), 'algorithm');
  const embedded = `${part({ ...header, jwk: from.key.publicJwk })}.${payload}.${signature}`;
  await refused(t, verifierOf(from).verify(request(from, embedded)), 'schema');
  const stranger = await endpoint();
  await refused(t, verifierOf(from).verify(request(stranger, await stranger.token())), 'key');
  await refused(
    t,
    verifierOf(from).verify(request(from, `${head}.${payload}.${'A'.repeat(86)}`)),
    'signature',
  );
});

t.test('a key set with a secret or a private key is refused whole', async (t) => {
  const from = await endpoint();
  const secret = { keys: [{ kty: 'oct', k: 'AAAA', kid: from.key.kid }] };
  await refused(t, verifierOf(from, { jwks: secret }).verify(request(from, await from.token())), 'schema');
  const { privateKey } = generateKeyPairSync('ed25519');
  const leaked = { keys: [privateKey.export({ format: 'jwk' })] };
  await refused(t, verifierOf(from, { jwks: leaked }).verify(request(from, await from.token())), 'schema');
});

t.test('expired, not yet valid, living too long, for another audience, by another issuer', async (t) => {
  const from = await endpoint();
  const cases: readonly [Parameters<Endpoint['token']>[0], RefusalReason][] = [
    [{ iat: seconds - 301, nbf: seconds - 301, exp: seconds }, 'expired'],
    [{ nbf: seconds + 1 }, 'not-yet-valid'],
    [{ exp: seconds + 3601 }, 'lifetime'],
    [{ aud: 'https://other.example' }, 'audience'],
    [{ iss: 'urn:cordon:other' }, 'issuer'],
  ];
  for (const [more, why] of cases)
    await refused(t, verifierOf(from).verify(request(from, await from.token(more))), why);
});

t.test('stolen without the session key', async (t) => {
  const from = await endpoint();
  const token = await from.token();
  const thief = newProofKey();
  const proof = thief.prove({ method: 'POST', url, token, now });
  await refused(t, verifierOf(from).verify(request(from, token, { dpop: proof })), 'stolen');
  await refused(t, verifierOf(from).verify(request(from, token, { dpop: undefined })), 'malformed');
  await refused(
    t,
    verifierOf(from).verify(request(from, token, { authorization: `Bearer ${token}` })),
    'proof',
  );
});

t.test('a proof is for one method, one URL, one token, now, and once', async (t) => {
  const from = await endpoint();
  const token = await from.token({ uses: 10 });
  const replay = memoryReplay();
  const verify = (dpop: string) => verifierOf(from, { replay }).verify(request(from, token, { dpop }));
  await refused(t, verify(from.proof(token, { method: 'PUT' })), 'proof');
  await refused(t, verify(from.proof(token, { url: 'https://api.example/v1/other' })), 'proof');
  await refused(t, verify(from.proof(token, { now: now - 61_000 })), 'proof');
  await refused(t, verify(from.proof(token, { now: now + 6000 })), 'proof');
  await refused(t, verify(from.proof(await from.token())), 'proof');
  const once = from.proof(token, { url: 'https://API.example:443/v1/messages?x=1' });
  await verify(once);
  await refused(t, verify(once), 'replayed');
});

t.test('widened: a changed claim breaks the signature, and what is not covered is refused', async (t) => {
  const from = await endpoint();
  const token = await from.token({ uses: 10 });
  const [head, , signature] = token.split('.') as [string, string, string];
  const wide = { ...claimsJson(sampleClaims()), authorization_details: [] };
  await refused(t, verifierOf(from).verify(request(from, `${head}.${part(wide)}.${signature}`)), 'signature');
  const elsewhere: Partial<Presented> = { url: 'https://api.example/v2' };
  await refused(t, verifierOf(from).verify(request(from, token, elsewhere)), 'not-covered');
  await refused(t, verifierOf(from).verify(request(from, token, { method: 'DELETE' })), 'not-covered');
  for (const path of ['/v1/..%2fadmin', '/v1/%2e%2e/admin'])
    await refused(
      t,
      verifierOf(from).verify(request(from, token, { url: `https://api.example${path}` })),
      'not-covered',
    );
  // What a URL makes of these is covered; a server that reads them as they are sent is elsewhere.
  for (const path of [
    '/admin/../v1/x',
    '/admin/%2E%2e/v1/x',
    '/v2/..\\v1/x',
    '/./v1/x',
    '/admin/.\t./v1/x',
  ]) {
    const sent = {
      url: `https://api.example${path}`,
      dpop: from.proof(token, { url: 'https://api.example/v1/x' }),
    };
    await refused(t, verifierOf(from).verify(request(from, token, sent)), 'not-covered');
  }
  t.ok(await verifierOf(from).verify(request(from, token, { url: `${url}?next=/a/../b` })));
});

t.test('minted under an old policy, or by an endpoint that did not attest', async (t) => {
  const from = await endpoint();
  const token = await from.token();
  await refused(t, verifierOf(from, { policies: ['d2'] }).verify(request(from, token)), 'policy');
  await refused(t, verifierOf(from, { attestation: 'hardware' }).verify(request(from, token)), 'attestation');
  t.ok(await verifierOf(from, { policies: ['d1'], attestation: 'software' }).verify(request(from, token)));
});

t.test('after revocation; and no list is refused, not passed over', async (t) => {
  const from = await endpoint();
  const facts = { issuer, uri: 'file:///x', now, ttl: 60, lifetime: 3600 };
  const list = await signStatusList(from.key, [7], facts);
  const clean = await signStatusList(from.key, [6, 8], facts);
  const old = await signStatusList(from.key, [], { ...facts, now: now - 3_600_000 });
  const foreign = await signStatusList((await endpoint()).key, [], facts);
  const verify = async (text: string) =>
    verifierOf(from, { statusList: () => text }).verify(request(from, await from.token()));
  await refused(t, verify(list), 'revoked');
  t.ok(await verify(clean));
  await refused(t, verify(old), 'expired');
  await refused(t, verify(foreign), 'key');
  await refused(t, verify(''), 'malformed');
  await refused(t, verify(await from.token()), 'schema');
});

t.test('a token is no status list, no proof, and no other JWT by the same key', async (t) => {
  const from = await endpoint();
  const payload = claimsJson(sampleClaims({ jkt: from.proofKey.thumbprint }));
  await refused(t, verifierOf(from).verify(request(from, await from.raw(payload, 'JWT'))), 'schema');
  const unknown = await from.raw({ ...payload, scope: 'everything' });
  await refused(t, verifierOf(from).verify(request(from, unknown)), 'schema');
});

t.test('uses are counted over a token, its sub-tokens and their sub-tokens', async (t) => {
  const from = await endpoint();
  const verifier = verifierOf(from);
  const id = (letter: string): string => letter.repeat(22);
  const parent = await from.token({ jti: id('P'), uses: 2 });
  const one = await from.token({ jti: id('Q'), uses: 2, lineage: [{ jti: id('P'), uses: 2 }] });
  const two = await from.token({ jti: id('R'), uses: 1, lineage: [{ jti: id('P'), uses: 2 }] });
  await verifier.verify(request(from, one));
  await verifier.verify(request(from, two));
  for (const token of [parent, one, two]) await refused(t, verifier.verify(request(from, token)), 'used-up');
  const more = await from.token({ jti: id('S'), uses: 3, lineage: [{ jti: id('P'), uses: 2 }] });
  await refused(t, verifier.verify(request(from, more)), 'schema');
});

t.test('a full replay cache refuses, and forgets nothing that still counts', async (t) => {
  const replay = memoryReplay(2);
  t.equal(replay.first('a', 10, 0), true);
  t.equal(replay.first('b', 20, 0), true);
  t.equal(replay.first('c', 30, 0), false);
  t.equal(replay.first('c', 30, 10), true);
  t.equal(replay.first('b', 20, 10), false);
});

t.test('a key that is not known is looked for, but not at a stranger’s bidding', async (t) => {
  const [first, second] = [await endpoint(), await endpoint()];
  let clock = now;
  let asked = 0;
  const jwks = (): object => {
    asked += 1;
    return asked < 2 ? first.jwks : second.jwks;
  };
  const verifier = createTokenVerifier({ jwks, issuer, audience, now: () => clock, clockTolerance: 60 });
  await verifier.verify(request(first, await first.token()));
  for (let i = 0; i < 5; i++) await refused(t, verifier.verify(request(second, await second.token())), 'key');
  t.equal(asked, 1);
  clock += 10_000;
  const token = await second.token({ jti: 'B'.repeat(22) });
  t.ok(await verifier.verify(request(second, token)));
  t.equal(asked, 2);
});

t.test('a stranger’s key that cannot be looked for takes away no key that is known', async (t) => {
  const [first, stranger] = [await endpoint(), await endpoint()];
  let clock = now;
  let asked = 0;
  const jwks = (): Promise<object> => {
    asked += 1;
    return asked > 1 ? Promise.reject(new Error('the server of keys is down')) : Promise.resolve(first.jwks);
  };
  const verifier = createTokenVerifier({ jwks, issuer, audience, now: () => clock, clockTolerance: 60 });
  const letter = async (jti: string) =>
    verifier.verify(request(first, await first.token({ jti: jti.repeat(22) })));
  t.ok(await letter('A'));
  clock += 10_000;
  await t.rejects(verifier.verify(request(stranger, await stranger.token())), { message: /is down/ });
  t.ok(await letter('B'));
  await refused(t, verifier.verify(request(stranger, await stranger.token())), 'key');
  t.equal(asked, 2, 'and it is not asked again at once');
});

t.test('a key that was taken out of the set ends with that, though no other is met', async (t) => {
  const [leaked, fresh] = [await endpoint(), await endpoint()];
  let clock = now;
  let published = leaked.jwks;
  const verifier = createTokenVerifier({ jwks: () => published, issuer, audience, now: () => clock });
  t.ok(await verifier.verify(request(leaked, await leaked.token())));
  published = fresh.jwks;
  clock += 300_000;
  const at = { iat: seconds + 300, nbf: seconds + 300, exp: seconds + 600, jti: 'B'.repeat(22) };
  const forged = await leaked.token(at);
  const dpop = leaked.proof(forged, { now: clock });
  await refused(t, verifier.verify(request(leaked, forged, { dpop })), 'key');
});

t.test('a server of keys that does not answer holds up nobody whose key is known', async (t) => {
  const [first, next] = [await endpoint(), await endpoint()];
  let clock = now;
  let asked = 0;
  const jwks = (): Promise<object> => {
    asked += 1;
    if (asked === 2) return new Promise(() => undefined);
    return Promise.resolve(asked === 1 ? first.jwks : next.jwks);
  };
  const verifier = createTokenVerifier({ jwks, issuer, audience, now: () => clock });
  const later = async (from: Endpoint, jti: string): Promise<unknown> => {
    const iat = Math.floor(clock / 1000);
    const token = await from.token({ iat, nbf: iat, exp: iat + 300, jti: jti.repeat(22) });
    return verifier.verify(request(from, token, { dpop: from.proof(token, { now: clock }) }));
  };
  t.ok(await later(first, 'A'));
  clock += 300_000;
  t.ok(await later(first, 'B'), 'it hangs');
  clock += 300_000;
  t.ok(await later(next, 'C'), 'and is asked again when it is time');
  await refused(t, later(first, 'D'), 'key');
});

t.test('RFC 9449: the proof of section 4.1 and the thumbprint of section 6.1', async (t) => {
  const { checkProof } = await import('../../daemon/tokens/mod.ts');
  const proof = [
    'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19',
    'eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ',
    '2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg',
  ].join('.');
  const expected = { method: 'POST', url: 'https://server.example.com/token' };
  const jkt = await checkProof(proof, expected, memoryReplay(), 1_562_262_616_000);
  t.equal(jkt, '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  t.equal(thumbprintOf(proofKeyOf(privateKey).jwk), proofKeyOf(privateKey).thumbprint);
});
