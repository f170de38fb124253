// A token of an endpoint for one of the fleet's (RFC 8693): what its bearer shows is checked against what its machine has
// proved, and what comes out permits no more, lives no longer, and ends with it. Flat guards, success last.
import { randomInt } from 'node:crypto';
import {
  checkNarrower,
  checkProof,
  claimsJson,
  detailText,
  headerOf,
  keySource,
  listSize,
  maxToken,
  newTokenId,
  readStatusList,
  readToken,
  TokenRefused,
  tokenType,
} from '../tokens/mod.ts';
import type { Claims, KeyRing, KeySource, StatusList, Wish } from '../tokens/mod.ts';
import { maxForm, readForm } from './form.ts';
import type { ExchangeForm } from './form.ts';
import { grantingRule } from './minting-policy.ts';
import type { MintingPolicy, MintingRule } from './minting-policy.ts';
import type { Accepted, MintedToken, TokenBook } from './token-book.ts';

export interface MintingParts {
  readonly ring: KeyRing;
  readonly policy: MintingPolicy;
  /** Where the service is reached, without a slash at the end: `iss` of its tokens. */
  readonly url: string;
}

export interface ExchangeParts extends MintingParts {
  readonly book: TokenBook;
  /** `iss` of its attestation results. */
  readonly verifier: string;
  readonly minimumKillEpoch: number;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Exchanged {
  readonly token: string;
  readonly claims: Claims;
}

export const tokenPath = '/v1/token';
export const statusPath = '/v1/token-status';
/** Seconds that an endpoint's list may be old, and that clocks may differ. */
const listAge = 60;
const clockTolerance = 5;
const maxDraws = 32;

/** Rejects with TokenRefused. `proof`: the DPoP field of the request (RFC 9449). */
export async function exchange(parts: ExchangeParts, body: string, proof: string): Promise<Exchanged> {
  const form = readForm(body);
  const accepted = acceptedFor(parts, form.subjectToken);
  const keys = keySource({ keys: accepted.keys }, parts.now);
  const parent = await readToken(form.subjectToken, keys);
  checkParent(parent, accepted, parts);
  parts.book.prune(Math.floor(parts.now() / 1000) - 300);
  await checkProof(
    proof,
    { method: 'POST', url: parts.url + tokenPath, token: form.subjectToken, jkt: parent.jkt ?? '' },
    { first: (id, until) => parts.book.firstProof(id, until) },
    parts.now(),
  );
  const list = await listOf(form.statusList, keys, parent.iss, parts);
  if (!parts.book.apply(accepted.ak, list, parts.now()))
    throw new TokenRefused('expired', 'a newer status list of this machine was seen before');
  if (list.issued < parent.iat)
    throw new TokenRefused('expired', 'the status list is older than the token', 'cordon token status');
  if (list.uri !== parent.status.uri || list.isRevoked(parent.status.idx))
    throw new TokenRefused('revoked', 'the token was revoked on its machine, or is of another list');
  const wish = wishOf(form, parent);
  checkNarrower(wish, parent);
  const rule = ruleFor(wish, parent, accepted, parts);
  return minted(wish, { parent, accepted, rule }, parts);
}

/** Which machine a token or a list is of, by the key that its header names: only keys that were shown to be in a TPM are known. */
function acceptedFor(
  { book, policy, minimumKillEpoch, now }: ExchangeParts,
  token: string,
  longest = maxToken,
): Accepted {
  const kid = headerOf(token, longest, ['typ', 'alg', 'kid']).get('kid');
  const accepted = typeof kid === 'string' ? book.acceptedBy(kid) : undefined;
  if (accepted === undefined)
    throw new TokenRefused(
      'key',
      'no machine that is accepted here has shown this token’s key to be in its TPM',
    );
  if (book.isBlocked(accepted.ak))
    throw new TokenRefused('revoked', 'nothing is minted for this machine any more');
  const age = (now() - accepted.at) / 1000;
  if (age > policy.attestedWithin || age < -clockTolerance)
    throw new TokenRefused('attestation', 'what this machine has proved is too old', 'cordon attest quote');
  if (accepted.killEpoch < minimumKillEpoch)
    throw new TokenRefused('attestation', 'what this machine has proved is of before a kill');
  return accepted;
}

function checkParent(parent: Claims, accepted: Accepted, { now, url }: ExchangeParts): void {
  const seconds = now() / 1000;
  if (parent.iss === url) throw new TokenRefused('issuer', 'the token is of this service already');
  if (parent.exp <= seconds) throw new TokenRefused('expired', 'the token has expired');
  if (parent.nbf - clockTolerance > seconds)
    throw new TokenRefused('not-yet-valid', 'the token is not valid yet');
  if (parent.jkt === undefined)
    throw new TokenRefused('proof', 'a token that is bound to no key is not exchanged');
  const session = accepted.sessions.find(({ id }) => id === parent.subject.session);
  if (session === undefined)
    throw new TokenRefused(
      'attestation',
      'the session is not among those that its machine has proved to run',
      'cordon attest quote, once the session runs',
    );
  if (session.policy !== parent.policy.digest)
    throw new TokenRefused('policy', 'the session runs under another policy than the token was minted under');
}

async function listOf(
  text: string,
  keys: KeySource,
  issuer: string,
  { now }: Pick<ExchangeParts, 'now'>,
): Promise<StatusList> {
  const list = await readStatusList(text, keys, issuer, now());
  const age = now() / 1000 - list.issued;
  if (age > listAge || age < -clockTolerance)
    throw new TokenRefused(
      'expired',
      `the status list is not of the last ${listAge} s`,
      'cordon token status',
    );
  return list;
}

/** What an endpoint says of its tokens, outside an exchange. Resolves with the endpoint; rejects with TokenRefused. */
export async function applyList(parts: ExchangeParts, text: string): Promise<void> {
  const accepted = acceptedFor(parts, text, maxForm);
  const keys = keySource({ keys: accepted.keys }, parts.now);
  const list = await listOf(text, keys, issuerIn(text), parts);
  if (!parts.book.apply(accepted.ak, list, parts.now()))
    throw new TokenRefused('expired', 'a newer status list of this machine was seen before');
}

/** Of a list: whatever it says, as its signature is by the machine's own key. */
function issuerIn(text: string): string {
  try {
    const payload = JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()) as {
      iss?: unknown;
    };
    return typeof payload.iss === 'string' ? payload.iss : '';
  } catch {
    throw new TokenRefused('malformed', 'the status list is not JSON');
  }
}

const wishOf = (form: ExchangeForm, parent: Claims): Wish => {
  const purpose = form.purpose ?? parent.purpose;
  return {
    audience: form.audience ?? parent.aud,
    details: form.details ?? parent.details,
    lifetime: form.lifetime ?? Infinity,
    uses: form.uses ?? parent.uses,
    ...(purpose === undefined ? {} : { purpose }),
  };
};

function ruleFor(
  { audience, details, uses }: Wish,
  parent: Claims,
  { ak, tpm }: Accepted,
  { policy }: ExchangeParts,
): MintingRule {
  const profile = parent.policy.profile;
  const rule = grantingRule(policy, { endpoint: ak, tpm, profile, audience, details, uses });
  if (rule === undefined)
    throw new TokenRefused('beyond-policy', 'no rule of the minting policy grants this to this machine');
  return rule;
}

interface Ground {
  readonly parent: Claims;
  readonly accepted: Accepted;
  readonly rule: MintingRule;
}

/** Known before it is signed: a token that nobody may revoke is never made. */
async function minted(wish: Wish, ground: Ground, parts: ExchangeParts): Promise<Exchanged> {
  const { book, policy, ring, now } = parts;
  for (let i = 0; i < maxDraws; i++) {
    const claims = claimsFor(wish, ground, parts);
    const outcome = book.mint(rowOf(claims, ground), ground.accepted, policy.perMinute);
    if (outcome === 'gone')
      throw new TokenRefused('attestation', 'what this machine has proved was taken back meanwhile');
    if (outcome === 'rate')
      throw new TokenRefused('rate', 'this machine asks for tokens too often', 'wait a minute');
    if (outcome === 'minted')
      return { claims, token: await ring.signing(now()).sign(tokenType, claimsJson(claims)) };
  }
  throw new TokenRefused('unavailable', 'the status list is full', 'wait until tokens have expired');
}

function claimsFor(
  wish: Wish,
  { parent, accepted, rule }: Ground,
  { url, verifier, now }: ExchangeParts,
): Claims {
  const { ak, tpm, at } = accepted;
  const { sub, jkt, subject, policy, lineage } = parent;
  const iat = Math.floor(now() / 1000);
  return {
    iss: url,
    sub,
    aud: wish.audience,
    jti: newTokenId(),
    iat,
    nbf: iat,
    exp: Math.min(iat + Math.min(wish.lifetime, rule.lifetime), parent.exp),
    ...(jkt === undefined ? {} : { jkt }),
    details: wish.details,
    status: { idx: randomInt(listSize), uri: url + statusPath },
    subject,
    policy,
    attestation: { verdict: 'passed', tpm, at: Math.floor(at / 1000), verifier },
    endpoint: ak,
    uses: wish.uses,
    ...(wish.purpose === undefined ? {} : { purpose: wish.purpose }),
    lineage: [...lineage, { jti: parent.jti, uses: parent.uses }],
  };
}

const rowOf = (
  { jti, status, subject, policy, aud, details, purpose, iat, exp, uses }: Claims,
  { parent, accepted }: Ground,
): MintedToken => ({
  jti,
  idx: status.idx,
  ak: accepted.ak,
  session: subject.session,
  digest: policy.digest,
  audience: aud,
  parent: parent.jti,
  parentIdx: parent.status.idx,
  details: details.map(detailText).join('; ').slice(0, 2000),
  purpose: purpose ?? '',
  iat,
  exp,
  uses,
  epoch: accepted.killEpoch,
  revoked: 0,
  why: '',
});
