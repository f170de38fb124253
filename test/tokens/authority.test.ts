// The adversary at the endpoint, by name, with the real store.
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { createDecider } from '../../daemon/decision/mod.ts';
import { unattested } from '../../daemon/model/mod.ts';
import type { AttestationState, CapabilitySet } from '../../daemon/model/mod.ts';
import {
  claimsJson,
  createTokenVerifier,
  KeyRing,
  mintProof,
  softwareKeeper,
  TokenAuthority,
  TokenRefused,
  tokenType,
  wishOf,
} from '../../daemon/tokens/mod.ts';
import type { Claims, Minted, RefusalReason, SessionView } from '../../daemon/tokens/mod.ts';
import { newProofKey } from '../../daemon/wire/mod.ts';
import type { ProofKey } from '../../daemon/wire/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { now as start } from './support.ts';

const sha256 = 'a'.repeat(64);
const url = 'http://files.example/up';
const place = {
  scheme: 'http' as const,
  host: 'files.example',
  port: 80,
  path: '/up',
  audience: 'urn:files',
};
const upload = { type: 'file.upload', sha256, destination: url, size: 3 };
const get = { type: 'http', methods: ['GET', 'POST'], host: 'files.example', port: 80, path: '/v1/*' };

const capabilitySet = (more: Partial<CapabilitySet> = {}): CapabilitySet => ({
  generation: 1,
  mode: 'enforce',
  policyDigest: 'd1',
  profile: { name: 'p', version: 1 },
  rules: [
    { id: 'builtin/default-deny', source: { file: 'builtin', line: 0, key: '' }, never: false },
    { id: 'p/network[0]', source: { file: 'p.yaml', line: 1, key: 'network[0]' }, never: false },
  ],
  files: [],
  exec: [],
  network: [{ rule: 1, effect: 'allow', host: 'files.example', port: 80 }],
  sockets: [],
  tokens: { rule: 1, attestation: 'none', lifetime: 300, audiences: ['urn:files'], tools: [], rows: [] },
  ...more,
});

const viewOf = (session: string, set: CapabilitySet = capabilitySet()): SessionView => ({
  subject: { session, user: 'nobody', agent: { name: 'codex' } },
  capabilitySet: set,
  decider: createDecider(set),
});

async function scene(t: Test) {
  const directory = temporaryDirectory(t);
  let clock = start;
  let attested: AttestationState = unattested('none', 'no TPM');
  const now = (): number => clock;
  const ring = await KeyRing.open(join(directory, 'keys.json'), softwareKeeper(), now());
  const open = () => openAudit(join(directory, 'cordon.db'), { now });
  let audit = open();
  t.teardown(() => audit.close());
  const make = (): TokenAuthority =>
    new TokenAuthority({
      ring,
      store: audit.tokens,
      issuer: 'urn:me',
      statusUri: 'file:///s',
      now,
      attestation: () => attested,
    });
  return {
    ring,
    authority: make(),
    at: (time: number) => (clock = time),
    attest: (state: AttestationState) => (attested = state),
    /** As after a restart of the daemon. */
    again: (): TokenAuthority => {
      audit.close();
      audit = open();
      return make();
    },
  };
}

const wish = (details: readonly object[], more: object = {}) =>
  wishOf(JSON.stringify({ audience: 'urn:files', authorization_details: details, ...more }));

async function refused(
  t: Test,
  work: () => Promise<unknown>,
  why: RefusalReason,
  message = '',
): Promise<void> {
  const outcome = await Promise.resolve()
    .then(work)
    .then(
      () => 'accepted',
      (error: unknown) => (error instanceof TokenRefused ? error.why : String(error)),
    );
  t.equal(outcome, why, message);
}

const shown = (key: ProofKey, { token }: Minted, now = start) => ({
  token,
  method: 'PUT',
  proof: key.prove({ method: 'PUT', url, token, now }),
});

t.test('an upload token is used once, and a restarted daemon still knows', async (t) => {
  const { authority, again } = await scene(t);
  const key = newProofKey();
  const view = viewOf('one');
  const minted = await authority.mint(view, wish([upload]), key.thumbprint);
  const proof = shown(key, minted);
  t.match(await authority.useUpload(view, proof, place), { upload: { sha256, size: 3 } });
  await refused(t, () => authority.useUpload(view, proof, place), 'replayed');
  await refused(t, () => authority.useUpload(view, shown(key, minted), place), 'used-up');
  const later = again();
  await refused(t, () => later.useUpload(view, proof, place), 'replayed');
  await refused(t, () => later.useUpload(view, shown(key, minted), place), 'used-up');
});

t.test('an upload token counts for its place, audience, method, session and key only', async (t) => {
  const { authority } = await scene(t);
  const key = newProofKey();
  const view = viewOf('one');
  const minted = await authority.mint(view, wish([upload]), key.thumbprint);
  const use =
    (to: object, from = view, proof = shown(key, minted)) =>
    () =>
      authority.useUpload(from, proof, { ...place, ...to });
  await refused(t, use({ path: '/up?x=1' }), 'not-covered');
  await refused(t, use({ path: '/other' }), 'not-covered');
  await refused(t, use({ port: 81 }), 'not-covered');
  await refused(t, use({ host: 'other.example' }), 'not-covered');
  await refused(t, use({ audience: 'urn:other' }), 'audience');
  await refused(t, use({}, viewOf('two')), 'stolen');
  await refused(t, use({}, view, shown(newProofKey(), minted)), 'stolen');
  await refused(t, use({}, view, { ...shown(key, minted), method: 'POST' }), 'proof');
  await refused(t, use({}, view, { ...shown(key, minted), proof: '' }), 'malformed');
  const http = await authority.mint(view, wish([get]), key.thumbprint);
  await refused(t, use({}, view, shown(key, http)), 'not-covered');
  t.ok(await use({})());
});

t.test('expired, under an old policy, after revocation, with its parent, forged', async (t) => {
  const { authority, ring, at } = await scene(t);
  const key = newProofKey();
  const view = viewOf('one');
  const mint = (from = view, parent?: Claims) => authority.mint(from, wish([upload]), key.thumbprint, parent);
  const expired = await mint();
  at(start + 300_000);
  await refused(t, () => authority.useUpload(view, shown(key, expired, start + 300_000), place), 'expired');
  at(start);
  const changed = viewOf('one', capabilitySet({ policyDigest: 'd2', generation: 2 }));
  const old = await mint();
  await refused(t, () => authority.useUpload(changed, shown(key, old), place), 'policy');
  const parent = await mint();
  const child = await mint(view, parent.claims);
  const grandchild = await mint(view, child.claims);
  const other = await mint();
  const revoked = authority.revoke(authority.list({ by: 'id', value: parent.claims.jti }), 'no longer');
  t.strictSame(
    new Set(revoked.map(({ jti }) => jti)),
    new Set([parent, child, grandchild].map((m) => m.claims.jti)),
  );
  for (const each of [parent, child, grandchild])
    await refused(t, () => authority.useUpload(view, shown(key, each), place), 'revoked');
  t.notOk(
    authority.lives((await mint(view, parent.claims)).claims),
    'a child that comes after the end of its parent',
  );
  t.ok(authority.lives(other.claims));
  t.ok(await authority.useUpload(view, shown(key, other), place));
  const forged = { ...other.claims, jti: 'F'.repeat(22) };
  const token = await ring.signing(start).sign(tokenType, claimsJson(forged));
  await refused(
    t,
    () => authority.useUpload(view, shown(key, { token, claims: forged }), place),
    'revoked',
    'signed, but not known',
  );
});

t.test('widened: a sub-token that asks for more than its parent, in any way', async (t) => {
  const { authority } = await scene(t);
  const key = newProofKey();
  const view = viewOf('one');
  const parent = await authority.mint(
    view,
    wish([{ ...get, methods: ['GET'] }], { uses: 3, expires_in: 60 }),
    key.thumbprint,
  );
  const child = (details: readonly object[], more: object = {}, from = parent) =>
    authority.mint(view, wish(details, more), key.thumbprint, from.claims);
  const narrow = { ...get, methods: ['GET'], path: '/v1/a' };
  await refused(t, () => child([{ ...narrow, methods: ['GET', 'POST'] }]), 'widened');
  await refused(t, () => child([{ ...narrow, path: '/*' }]), 'widened');
  await refused(t, () => child([narrow, { ...get, path: '/w' }]), 'widened');
  await refused(t, () => child([narrow], { uses: 4 }), 'widened');
  const good = await child([narrow], { uses: 2, expires_in: 3600 });
  t.equal(good.claims.exp, parent.claims.exp, 'it does not outlive its parent');
  t.strictSame(good.claims.lineage, [{ jti: parent.claims.jti, uses: 3 }]);
  const third = await child([narrow], {}, good);
  const fourth = await child([narrow], {}, third);
  await refused(t, () => child([narrow], {}, fourth), 'widened', 'too deep');
  const proof = key.prove({ ...mintProof, token: parent.token, now: start });
  t.equal((await authority.parent(view, parent.token, proof)).jti, parent.claims.jti);
  const stranger = newProofKey().prove({ ...mintProof, token: parent.token, now: start });
  await refused(t, () => authority.parent(view, parent.token, stranger), 'stolen');
});

t.test(
  'no token beyond the session, or for nobody, or without the attestation that the policy asks for',
  async (t) => {
    const { authority, attest } = await scene(t);
    const view = viewOf('one');
    const mint = (details: readonly object[], more: object = {}, from = view) =>
      authority.mint(from, wish(details, more), undefined);
    await refused(t, () => mint([{ ...get, host: 'evil.example' }]), 'beyond-session');
    await refused(t, () => mint([{ ...get, port: 81 }]), 'beyond-session');
    await refused(t, () => mint([{ type: 'exec', path: '/bin/sh' }]), 'beyond-session');
    await refused(t, () => mint([{ type: 'tool.call', tool: 'mail' }]), 'beyond-session');
    await refused(t, () => mint([get], { audience: 'urn:other' }), 'beyond-session');
    const none = capabilitySet();
    Reflect.deleteProperty(none, 'tokens');
    await refused(t, () => mint([get], {}, viewOf('one', none)), 'beyond-session');
    const tokens = { ...capabilitySet().tokens!, attestation: 'hardware' as const };
    const strict = viewOf('one', capabilitySet({ tokens }));
    const passed = {
      verdict: 'passed' as const,
      reason: 'fine',
      at: start - 1000,
      freshUntil: start + 1000,
      verifier: 'urn:v',
    };
    await refused(t, () => mint([get], {}, strict), 'attestation');
    attest({ tpm: 'software', ...passed });
    await refused(t, () => mint([get], {}, strict), 'attestation');
    attest({ tpm: 'hardware', ...passed, freshUntil: start });
    await refused(t, () => mint([get], {}, strict), 'attestation');
    attest({ tpm: 'hardware', ...passed });
    const { claims } = await mint([get], {}, strict);
    t.strictSame(claims.attestation, {
      verdict: 'passed',
      tpm: 'hardware',
      at: start / 1000 - 1,
      verifier: 'urn:v',
    });
    attest({ tpm: 'hardware', ...passed, freshUntil: start });
    const { claims: later } = await mint([get]);
    t.match(later.attestation, { verdict: 'unknown', tpm: 'hardware' }, 'an acceptance that has ended');
  },
);

t.test('who asks proves that he has the key, once', async (t) => {
  const { authority } = await scene(t);
  const key = newProofKey();
  const proof = key.prove({ ...mintProof, now: start });
  t.equal(await authority.proven(proof), key.thumbprint);
  await refused(t, () => authority.proven(proof), 'replayed');
  await refused(t, () => authority.proven(key.prove({ method: 'POST', url, now: start })), 'proof');
});

t.test('a session has a bounded number of live tokens', async (t) => {
  const { authority } = await scene(t);
  const view = viewOf('one');
  for (let i = 0; i < 1000; i++) await authority.mint(view, wish([get]), undefined);
  await refused(t, () => authority.mint(view, wish([get]), undefined), 'rate');
  t.ok(await authority.mint(viewOf('two'), wish([get]), undefined));
  authority.revoke(authority.list({ by: 'session', value: 'one' }).slice(0, 1), 'room');
  t.ok(await authority.mint(view, wish([get]), undefined), 'one that ends makes room');
  await refused(t, () => authority.mint(view, wish([get]), undefined), 'rate');
});

t.test('what is published lets a stranger see that a token was revoked', async (t) => {
  const { authority } = await scene(t);
  const key = newProofKey();
  const { token, claims } = await authority.mint(viewOf('one'), wish([get], { uses: 9 }), key.thumbprint);
  const verifier = createTokenVerifier({
    jwks: () => authority.jwks(),
    issuer: 'urn:me',
    audience: 'urn:files',
    statusList: () => authority.statusList(),
    now: () => start,
  });
  const target = 'http://files.example/v1/x';
  const request = () => ({
    authorization: `DPoP ${token}`,
    dpop: key.prove({ method: 'GET', url: target, token, now: start }),
    method: 'GET',
    url: target,
  });
  t.equal((await verifier.verify(request())).jti, claims.jti);
  authority.revoke(authority.list({ by: 'session', value: 'one' }), 'enough');
  await refused(t, () => verifier.verify(request()), 'revoked');
});

t.test('a token that is not recorded, or not signed, is known, revoked, and nobody’s', async (t) => {
  const { authority, ring } = await scene(t);
  const recorded: Claims[] = [];
  const mint = (record: (claims: Claims) => void) =>
    authority.mint(viewOf('one'), wish([get]), undefined, undefined, record);
  const all = () => authority.list({ by: 'session', value: 'one' });
  const unrecorded = mint(({ jti }) => {
    t.match(authority.list({ by: 'id', value: jti }), [{ revoked: 0 }], 'known when it is recorded');
    throw new Error('the disk is full');
  });
  await t.rejects(unrecorded, { message: 'the disk is full' });
  t.match(all(), [{ why: 'it was not given out' }]);
  const key = ring.signing(start);
  const sign = key.sign.bind(key);
  // As a TPM that dies when it has signed: put in its place, since none dies just then.
  const dying: typeof key.sign = async (type, payload, meanwhile) => {
    await sign(type, payload, meanwhile);
    throw new Error('the TPM died');
  };
  Object.assign(key, { sign: dying });
  await t.rejects(
    mint((claims) => void recorded.push(claims)),
    { message: 'the TPM died' },
  );
  t.equal(recorded.length, 1);
  t.equal(all().length, 2);
  t.ok(all().every(({ revoked, why }) => revoked > 0 && why === 'it was not given out'));
  Object.assign(key, { sign });
  const { claims } = await mint((each) => void recorded.push(each));
  t.equal(recorded.at(-1)?.jti, claims.jti);
  t.equal(all().filter(({ revoked }) => revoked === 0).length, 1);
});

t.test('a session that asks for many at once gets no more than it has room for', async (t) => {
  const { authority } = await scene(t);
  const mint = () => authority.mint(viewOf('one'), wish([get]), undefined);
  for (let i = 0; i < 990; i++) await mint();
  const outcomes = await Promise.allSettled(Array.from({ length: 30 }, mint));
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 10);
});

t.test('whoever asks for the status list again and again has it signed once', async (t) => {
  const { authority, ring } = await scene(t);
  const key = ring.signing(start);
  const sign = key.sign.bind(key);
  let signatures = 0;
  Object.assign(key, {
    sign: (...given: Parameters<typeof sign>) => {
      signatures += 1;
      return signatures === 1 ? Promise.reject(new Error('the TPM is busy')) : sign(...given);
    },
  });
  await t.rejects(authority.statusList(), { message: 'the TPM is busy' });
  await Promise.all(Array.from({ length: 20 }, () => authority.statusList()));
  t.equal(signatures, 2, 'what failed was tried anew');
  const { claims } = await authority.mint(viewOf('one'), wish([get]), undefined);
  const before = await authority.statusList();
  authority.revoke(authority.list({ by: 'id', value: claims.jti }), 'a test');
  t.not(await authority.statusList(), before, 'what was revoked meanwhile is in it');
});
