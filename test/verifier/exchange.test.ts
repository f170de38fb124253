// The verifier's service mints: a machine's token for one of the fleet's. Real TPM, real evidence, real keys; and everything
// that an endpoint, an agent, or who stands between could try instead.
import t from 'tap';
import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { importJWK, jwtVerify } from 'jose';
import type { JWK } from 'jose';
import { evidenceText } from '../../daemon/evidence/mod.ts';
import {
  claimsJson,
  createTokenVerifier,
  KeyRing,
  signStatusList,
  softwareKeeper,
  tokenType,
  tpmKeeper,
} from '../../daemon/tokens/mod.ts';
import type { Claims, SigningKey, TokenRefused } from '../../daemon/tokens/mod.ts';
import { noExpectations } from '../../daemon/verifier/mod.ts';
import type { Expectations } from '../../daemon/verifier/mod.ts';
import {
  exchangeGrant,
  formType,
  jwtType,
  openStore,
  readMintingPolicy,
  serveRequest,
  tokenPath,
} from '../../daemon/verifier-service/mod.ts';
import type { MintedToken, ServiceParts } from '../../daemon/verifier-service/mod.ts';
import { newProofKey } from '../../daemon/wire/mod.ts';
import { attested, daemonFacts, verifierKey } from '../support/attested.ts';
import { noSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { sampleClaims } from '../tokens/support.ts';

const skip = noSwtpm ?? false;
const url = 'https://verifier.example:8443';
const endpointUri = 'file:///run/cordon/tokens/status.jwt';
const audience = 'https://api.example';
const digest = 'ff'.repeat(32);
const subject = { session: 's1', user: 'nobody', agent: { name: 'codex' } };
const http = { type: 'http', methods: ['POST'], host: 'api.example', port: 443, path: '/v1/*' } as const;
const policyText = JSON.stringify({
  'attested-within': 600,
  'per-minute': 1000,
  rules: [
    { tpm: 'hardware', audiences: [audience], types: ['exec'] },
    {
      ...{ tpm: 'software', profiles: ['coding-agent'], audiences: [audience], lifetime: 120, uses: 5 },
      ...{ types: ['tool.call'], details: [{ ...http, methods: ['GET', 'POST'] }] },
    },
  ],
});

interface Answered {
  readonly status: number;
  readonly access_token?: string;
  readonly why?: string;
  readonly error?: string;
}

t.test('tokens by the verifier’s service', { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  let clock = Date.now();
  const now = (): number => clock;
  const seconds = (): number => Math.floor(clock / 1000);
  const wrapped: NonNullable<SigningKey['wrapped']>[] = [];
  const machine = await attested(t, { tokenKeys: () => wrapped });
  const running = (more: object = {}) => ({
    ...daemonFacts,
    sessions: [{ ...daemonFacts.sessions[0]!, policy: digest, ...more }],
  });
  machine.facts = running();
  const tpmRing = await KeyRing.open(
    join(directory, 'tpm-keys.json'),
    tpmKeeper(machine.swtpm.open(), 'software'),
    clock,
  );
  const tpmKey = tpmRing.signing(clock);
  wrapped.push(tpmKey.wrapped!);
  const fileKey = (await KeyRing.open(join(directory, 'file.json'), softwareKeeper('ES256'), clock)).signing(
    clock,
  );

  const store = openStore(join(directory, 'verifier.db'));
  t.teardown(() => store.close());
  store.enrol(machine.enrolled, clock);
  const ring = await KeyRing.open(join(directory, 'service-keys.json'), softwareKeeper(), clock);
  const parts = (expected: Partial<Expectations> = {}, minting = policyText): ServiceParts => ({
    store,
    key: verifierKey(),
    anchors: machine.anchors,
    expectations: { ...noExpectations, allowSoftware: true, ...expected },
    minting: { ring, url, policy: readMintingPolicy(minting) },
    lifetime: 900,
    now,
  });

  const post = async (
    path: string,
    body: object,
    served = parts(),
  ): Promise<Answered & Record<string, unknown>> => {
    const { status, body: text } = await serveRequest(served, 'POST', path, JSON.stringify(body));
    return { ...(JSON.parse(text) as object), status };
  };
  /** A whole round with the verifier. */
  const attest = async (served = parts()): Promise<boolean> => {
    const { nonce } = (await post('/v1/nonce', {}, served)) as unknown as { nonce: string };
    const evidence = evidenceText(await machine.attester.quote(nonce));
    return (await post('/v1/verify', { nonce, evidence }, served))['accepted'] === true;
  };

  const holder = newProofKey();
  const parentOf = (more: Partial<Claims> = {}): Claims =>
    sampleClaims({
      ...{ aud: audience, iat: seconds(), nbf: seconds(), exp: seconds() + 300, uses: 5, subject },
      ...{ sub: 'cordon:session:s1', jkt: holder.thumbprint, status: { idx: 7, uri: endpointUri } },
      ...{ details: [{ ...http, methods: [...http.methods] }], lineage: [] },
      policy: { profile: 'coding-agent', version: 3, digest, generation: 4 },
      jti: randomBytes(16).toString('base64url'),
      ...more,
    });
  const tokenOf = (more: Partial<Claims> = {}, key: SigningKey = tpmKey): Promise<string> =>
    key.sign(tokenType, claimsJson(parentOf(more)));
  const listOf = (revoked: number[] = [], more: { now?: number; uri?: string } = {}, key = tpmKey) =>
    signStatusList(key, revoked, {
      issuer: 'urn:cordon:test',
      uri: endpointUri,
      now: clock,
      ttl: 60,
      lifetime: 3600,
      ...more,
    });

  interface Shown {
    readonly token?: string;
    readonly list?: string;
    readonly fields?: Readonly<Record<string, string>>;
    readonly dpop?: string;
    readonly served?: ServiceParts;
    readonly type?: string;
  }
  const proofFor = (token: string, more: object = {}): string =>
    holder.prove({ method: 'POST', url: url + tokenPath, token, now: clock, ...more });
  const ask = async ({
    token,
    list,
    fields,
    dpop,
    served = parts(),
    type = formType,
  }: Shown = {}): Promise<Answered> => {
    const subjectToken = token ?? (await tokenOf());
    const form = new URLSearchParams({
      ...{ grant_type: exchangeGrant, subject_token: subjectToken, subject_token_type: jwtType },
      subject_status_list: list ?? (await listOf()),
      ...fields,
    });
    const headers = { contentType: type, dpop: dpop ?? proofFor(subjectToken) };
    const { status, body } = await serveRequest(served, 'POST', tokenPath, form.toString(), headers);
    return { ...(JSON.parse(body) as object), status };
  };
  const why = async (shown: Shown): Promise<string | undefined> => {
    const { status, why: reason, access_token: token } = await ask(shown);
    return token === undefined && status !== 200 ? reason : 'minted';
  };
  const get = async (path: string): Promise<string> => (await serveRequest(parts(), 'GET', path, '')).body;
  const verifierOf = async (at = url) =>
    createTokenVerifier({
      ...{ jwks: JSON.parse(await get('/v1/token-keys')) as object, issuer: at, audience, now },
      statusList: () => get('/v1/token-status'),
    });
  const presented = (token: string) => ({
    ...{ authorization: `DPoP ${token}`, method: 'POST', url: 'https://api.example/v1/x' },
    dpop: holder.prove({ method: 'POST', url: 'https://api.example/v1/x', token, now: clock }),
  });
  /** Of a backend that trusts the service. */
  const verdictOn = async (token: string): Promise<string> =>
    (await verifierOf()).verify(presented(token)).then(
      () => 'accepted',
      (error: unknown) => (error as TokenRefused).why,
    );
  const rowOf = (token: string): MintedToken | undefined => {
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { jti: string };
    return store.book.live(0).find((each) => each.jti === jti);
  };

  t.test('none before the machine is accepted', async (t) => {
    t.equal(await why({}), 'key');
    t.ok(await attest());
  });

  t.test('a token of an accepted machine becomes one of the service’s, and permits no more', async (t) => {
    const parent = parentOf({ exp: seconds() + 100 });
    const token = await tpmKey.sign(tokenType, claimsJson(parent));
    const { access_token: made = '', ...rest } = await ask({ token });
    t.match(rest, { status: 200, token_type: 'DPoP', issued_token_type: jwtType, expires_in: 100 });
    const claims = await (await verifierOf()).verify(presented(made));
    t.match(claims, {
      ...{ iss: url, aud: audience, jkt: holder.thumbprint, uses: 5, endpoint: machine.enrolled.ak, subject },
      lineage: [{ jti: parent.jti, uses: 5 }],
      attestation: { verdict: 'passed', tpm: 'software', verifier: 'test-verifier' },
      policy: { digest },
    });
    t.same(claims.details, parent.details);
    t.ok(claims.exp <= parent.exp);
    const { keys } = JSON.parse(await get('/v1/token-keys')) as { keys: JWK[] };
    await jwtVerify(made, await importJWK(keys[0]!, 'EdDSA'), {
      issuer: url,
      audience,
      currentDate: new Date(clock),
    });
    const metadata = JSON.parse(await get('/.well-known/oauth-authorization-server')) as object;
    t.match(metadata, { issuer: url, token_endpoint: url + tokenPath, jwks_uri: `${url}/v1/token-keys` });
    t.match(store.book.acts(1), [{ act: 'mint', ak: machine.enrolled.ak, jti: claims.jti }], 'on record');
    const asked = {
      authorization_details: JSON.stringify([{ ...http, path: '/v1/x' }]),
      uses: '2',
      expires_in: '30',
    };
    const less = await ask({ fields: { ...asked, audience } });
    const narrower = await (await verifierOf()).verify(presented(less.access_token!));
    t.match(narrower, { uses: 2, details: [{ path: '/v1/x' }], exp: narrower.iat + 30 });
    t.equal(await why({ token: made }), 'key', 'one of its own is not exchanged again');
  });

  t.test('a result that is stale, of the future, or of before a kill', async (t) => {
    clock += 601_000;
    t.equal(await why({}), 'attestation', 'stale');
    t.ok(await attest());
    t.equal(await why({}), 'minted');
    clock -= 60_000;
    t.equal(await why({}), 'attestation', 'of the future');
    clock += 60_000;
    t.equal(await why({ served: parts({ minimumKillEpoch: 2 }) }), 'attestation', 'of before a kill');
  });

  t.test(
    'a machine that proves to be another is accepted no more; a stranger’s noise takes nothing back',
    async (t) => {
      const { access_token: made = '' } = await ask();
      const { nonce } = (await post('/v1/nonce', {})) as unknown as { nonce: string };
      const evidence = evidenceText(await machine.attester.quote('ab'.repeat(16)));
      t.equal(
        (await post('/v1/verify', { nonce, evidence }))['accepted'],
        false,
        'an old quote, for another nonce',
      );
      t.equal(await why({}), 'minted');
      t.notOk(
        await attest(parts({ images: { daemon: ['00'.repeat(32)], supervisor: [] } })),
        'another program',
      );
      t.equal(await why({}), 'key');
      t.equal(await verdictOn(made), 'revoked');
      t.ok(await attest());
      t.equal(await why({}), 'minted');
    },
  );

  t.test('another machine’s token, or one by a key that is not shown to be in the TPM', async (t) => {
    t.equal(await why({ token: await tokenOf({}, fileKey) }), 'key');
    const forged = { ...fileKey, kid: tpmKey.kid };
    const [header, payload, signature] = (await tokenOf({}, forged)).split('.');
    const named = Buffer.from(JSON.stringify({ alg: 'ES256', typ: tokenType, kid: tpmKey.kid })).toString(
      'base64url',
    );
    t.ok(header);
    t.equal(await why({ token: [named, payload, signature].join('.') }), 'signature');
    t.equal(await why({ list: await listOf([], {}, fileKey) }), 'key', 'a list by another key');
    t.equal(await why({ list: await listOf([], { uri: 'file:///other' }) }), 'revoked', 'another list');
    t.equal(await why({ token: await tpmKey.sign('dpop+jwt', claimsJson(parentOf())) }), 'schema');
  });

  t.test('alg none, a secret-key algorithm with the public key, another key’s algorithm', async (t) => {
    const [, payload = ''] = (await tokenOf()).split('.');
    const headed = (alg: string): string =>
      `${Buffer.from(JSON.stringify({ alg, typ: tokenType, kid: tpmKey.kid })).toString('base64url')}.${payload}`;
    t.equal(await why({ token: `${headed('none')}.AAAA` }), 'algorithm');
    const secret = JSON.stringify(tpmKey.publicJwk);
    const mac = createHmac('sha256', secret).update(headed('HS256')).digest('base64url');
    t.equal(await why({ token: `${headed('HS256')}.${mac}` }), 'algorithm');
    t.equal(await why({ token: `${headed('EdDSA')}.${'A'.repeat(86)}` }), 'algorithm');
  });

  t.test('expired, not yet valid, bound to no key', async (t) => {
    t.equal(
      await why({ token: await tokenOf({ iat: seconds() - 100, nbf: seconds() - 100, exp: seconds() }) }),
      'expired',
    );
    t.equal(await why({ token: await tokenOf({ nbf: seconds() + 60 }) }), 'not-yet-valid');
    const { jkt, ...unbound } = parentOf();
    t.ok(jkt);
    t.equal(await why({ token: await tpmKey.sign(tokenType, claimsJson(unbound)) }), 'proof');
  });

  t.test('widened: another audience, path, method, host, more uses; longer is cut', async (t) => {
    t.equal(await why({ fields: { audience: 'https://other.example' } }), 'widened');
    for (const more of [
      { path: '/*' },
      { methods: ['GET', 'POST'] },
      { host: 'other.example' },
      { port: 80 },
    ])
      t.equal(
        await why({ fields: { authorization_details: JSON.stringify([{ ...http, ...more }]) } }),
        'widened',
      );
    t.equal(
      await why({ fields: { authorization_details: '[{"type":"exec","path":"/bin/sh"}]' } }),
      'widened',
    );
    t.equal(await why({ fields: { uses: '6' } }), 'widened');
    const deep = [
      { jti: 'B'.repeat(22), uses: 9 },
      { jti: 'C'.repeat(22), uses: 8 },
      { jti: 'D'.repeat(22), uses: 7 },
    ];
    t.equal(await why({ token: await tokenOf({ lineage: deep }) }), 'widened', 'a generation too many');
    const { access_token: made = '' } = await ask({ fields: { expires_in: '3600' } });
    t.equal(rowOf(made)!.exp - rowOf(made)!.iat, 120, 'as the rule says');
  });

  t.test('what no rule grants: another audience, type, profile, TPM, more uses than it says', async (t) => {
    t.equal(await why({ token: await tokenOf({ aud: 'https://other.example' }) }), 'beyond-policy');
    const exec = await tokenOf({ details: [{ type: 'exec', path: '/bin/ls' }] });
    t.equal(await why({ token: exec }), 'beyond-policy', 'granted to hardware only');
    t.equal(
      await why({ token: await tokenOf({ details: [{ ...http, methods: ['POST'], path: '/v2/x' }] }) }),
      'beyond-policy',
    );
    const policy = { profile: 'other', version: 1, digest, generation: 4 };
    t.equal(await why({ token: await tokenOf({ policy }) }), 'beyond-policy');
    t.equal(await why({ token: await tokenOf({ uses: 6 }) }), 'beyond-policy');
    const others = JSON.stringify({
      rules: [{ ...JSON.parse(policyText).rules[1], endpoints: ['ab'.repeat(34)] }],
    });
    t.equal(await why({ served: parts({}, others) }), 'beyond-policy');
    t.equal(
      await why({ token: await tokenOf({ details: [{ type: 'tool.call', tool: 'search' }] }) }),
      'minted',
    );
  });

  t.test('no proof, a stolen token, a replayed proof, one for another request', async (t) => {
    const token = await tokenOf();
    t.equal(await why({ token, dpop: '' }), 'malformed');
    const thief = newProofKey();
    const stolen = thief.prove({ method: 'POST', url: url + tokenPath, token, now: clock });
    t.equal(await why({ token, dpop: stolen }), 'stolen');
    const dpop = proofFor(token);
    t.equal(await why({ token, dpop }), 'minted');
    t.equal(await why({ token, dpop }), 'replayed');
    for (const more of [
      { method: 'GET' },
      { url: `${url}/v1/verify` },
      { now: clock - 61_000 },
      { token: await tokenOf() },
    ])
      t.equal(await why({ token, dpop: proofFor(token, more) }), 'proof', Object.keys(more).join());
    const again = openStore(join(directory, 'verifier.db'));
    t.equal(
      await why({ token, dpop, served: { ...parts(), store: again } }),
      'replayed',
      'after a restart too',
    );
    again.close();
  });

  t.test('a token that was revoked on its machine, with a list of before, an old or no list', async (t) => {
    const before = await listOf();
    const { access_token: made = '' } = await ask({ list: before });
    clock += 2000;
    t.equal(await why({ list: await listOf([7]) }), 'revoked');
    t.match(rowOf(made), { why: /was revoked on its machine/ }, 'and what was made from it ends');
    t.equal(await verdictOn(made), 'revoked');
    t.equal(await why({ list: before }), 'expired', 'older than one that was seen');
    t.equal(await why({ list: await listOf([], { now: clock - 61_000 }) }), 'expired');
    t.equal(await why({ fields: { subject_status_list: '' } }), 'schema');
    const list = await listOf();
    clock += 2000;
    t.equal(await why({ list }), 'expired', 'older than the token');
    const { access_token: other = '' } = await ask({
      token: await tokenOf({ status: { idx: 9, uri: endpointUri } }),
    });
    t.match(await post('/v1/token-revocations', { statusList: await listOf([9]) }), { status: 200 });
    t.match(rowOf(other), { why: /was revoked on its machine/ }, 'told without an exchange');
    t.match(await post('/v1/token-revocations', { statusList: await listOf([9], {}, fileKey) }), {
      why: 'key',
    });
  });

  t.test('revoked at the service: by id, by endpoint until it is lifted, all', async (t) => {
    const book = store.book;
    const made = async (): Promise<string> => (await ask()).access_token ?? '';
    const first = await made();
    t.same(book.revoke({ by: 'jti', value: rowOf(first)!.jti }, 'a test', clock), [rowOf(first)!.jti]);
    t.equal(await verdictOn(first), 'revoked');
    const second = await made();
    book.block(machine.enrolled.ak, true, 'sold', clock);
    t.match(rowOf(second), { why: 'sold' });
    t.equal(await why({}), 'key');
    t.notOk(await attest(), 'nor is it accepted');
    t.equal(await why({}), 'key');
    book.block(machine.enrolled.ak, false, '', clock);
    t.ok(await attest());
    const [third, fourth] = [await made(), await made()];
    t.ok(book.revoke({ by: 'all' }, 'all', clock).length >= 2);
    for (const each of [third, fourth]) t.match(rowOf(each), { why: 'all' });
    for (const act of ['revoke', 'block', 'lift', 'refuse'])
      t.ok(
        book.acts(500).some((each) => each.act === act),
        `${act} is on record`,
      );
  });

  t.test('a session that has ended, never was attested, or runs under another policy', async (t) => {
    const { access_token: made = '' } = await ask();
    const elsewhere = { session: 's2', user: 'nobody', agent: { name: 'codex' } };
    t.equal(
      await why({ token: await tokenOf({ subject: elsewhere, sub: 'cordon:session:s2' }) }),
      'attestation',
    );
    machine.facts = running({ policy: 'ee'.repeat(32) });
    t.ok(await attest());
    t.equal(await why({}), 'policy');
    t.match(rowOf(made), { why: /over, or under another policy/ });
    machine.facts = { ...running(), sessions: [] };
    t.ok(await attest());
    t.equal(await why({}), 'attestation');
    machine.facts = running();
    t.ok(await attest());
  });

  t.test(
    'a kill: what was minted before it ends, and nothing is minted from a token of before',
    async (t) => {
      const token = await tokenOf();
      const { access_token: made = '' } = await ask({ token });
      machine.facts = { ...running(), killEpoch: 2, sessions: [] };
      t.ok(await attest());
      t.match(rowOf(made), { why: 'everything was killed on its machine' });
      t.equal(await verdictOn(made), 'revoked');
      t.equal(await why({ token }), 'attestation');
      machine.facts = { ...running(), killEpoch: 2 };
      t.ok(await attest());
    },
  );

  t.test('too often is refused, and comes again', async (t) => {
    clock += 61_000;
    const served = parts({}, JSON.stringify({ ...JSON.parse(policyText), 'per-minute': 2 }));
    t.same(
      [await why({ served }), await why({ served }), await why({ served })],
      ['minted', 'minted', 'rate'],
    );
    t.equal((await ask({ served })).status, 429);
    clock += 61_000;
    t.equal(await why({ served }), 'minted');
  });

  t.test('an oversize body, another type of body, unknown and repeated parameters', async (t) => {
    t.equal((await ask({ fields: { purpose: 'x'.repeat(200_000) } })).status, 413);
    t.equal(await why({ fields: { purpose: 'x'.repeat(201) } }), 'schema');
    t.equal(await why({ type: 'application/json' }), 'schema');
    t.equal(await why({ fields: { resource: 'https://x.example' } }), 'schema');
    t.equal(await why({ fields: { grant_type: 'client_credentials' } }), 'schema');
    const twice = `grant_type=${encodeURIComponent(exchangeGrant)}&uses=1&uses=2`;
    const { body } = await serveRequest(parts(), 'POST', tokenPath, twice, { contentType: formType });
    t.match(JSON.parse(body), { error: 'invalid_request', error_description: 'uses is given twice' });
  });

  t.test('a service without a minting policy mints nothing', async (t) => {
    const { minting, ...served } = parts();
    t.ok(minting);
    t.equal((await ask({ served })).status, 404);
  });
});

t.test('a token key that one machine has shown is no other machine’s', (t) => {
  const store = openStore(join(temporaryDirectory(t), 'verifier.db'));
  const key = { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'B'.repeat(43), kid: 'k' } as const;
  const facts = { at: 1, tpm: 'software', killEpoch: 0, sessions: [], keys: [key] } as const;
  const { book } = store;
  book.accept({ ...facts, ak: 'aa' });
  book.accept({ ...facts, ak: 'bb' });
  t.equal(book.acceptedBy('k')?.ak, 'aa');
  book.accept({ ...facts, ak: 'aa', keys: [] });
  t.equal(book.acceptedBy('k'), undefined);
  book.accept({ ...facts, ak: 'bb' });
  t.equal(book.acceptedBy('k')?.ak, 'bb');
  store.close();
  t.end();
});
