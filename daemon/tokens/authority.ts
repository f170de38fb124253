// The endpoint's own token authority: mints for its sessions, and says of a token that comes back whether it counts here and
// now. Refuses by throwing TokenRefused; who asked, and the record of it, are the daemon's business.
import { randomInt } from 'node:crypto';
import { attestationLacks } from '../model/mod.ts';
import type { AttestationState, CapabilitySet, Decider } from '../model/mod.ts';
import { claimsJson, newTokenId, subjectText, tokenType } from './claims.ts';
import type { Claims, TokenSubject } from './claims.ts';
import { destinationOf, detailText } from './details.ts';
import type { FileUploadDetail } from './details.ts';
import { keySource } from './jwks.ts';
import type { KeySource } from './jwks.ts';
import { jwksOf } from './keys.ts';
import type { SigningKey } from './keys.ts';
import type { KeyRing } from './key-ring.ts';
import { checkNarrower } from './narrows.ts';
import { isUploadTo } from './permits.ts';
import { checkProof } from './proof.ts';
import { TokenRefused } from './refusal.ts';
import type { Replay } from './replay.ts';
import { listSize, signStatusList } from './status-list.ts';
import type { IssuedToken, Selector, TokenStore } from './store.ts';
import { readToken } from './verifier.ts';
import type { Wish } from './wish.ts';
import { beyondSession } from './within.ts';

export interface AuthorityParts {
  readonly ring: KeyRing;
  readonly store: TokenStore;
  /** `iss` of every token. */
  readonly issuer: string;
  readonly statusUri: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly attestation: () => AttestationState;
}

/** The session as it is at this moment. */
export interface SessionView {
  readonly subject: TokenSubject;
  readonly capabilitySet: CapabilitySet;
  readonly decider: Decider;
}

/** Where a request with an upload arrives. */
export interface UploadTo {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly audience: string;
}

export interface Minted {
  readonly token: string;
  readonly claims: Claims;
}

/** Where agents and egress say their proofs are for, when a token is asked for. */
export const mintProof = { method: 'POST', url: 'https://cordon.invalid/token' } as const;
/** Why a token is revoked that was known, and left nowhere. */
export const notGiven = 'it was not given out';
const liveLimit = 1000;
const maxDraws = 32;
/** Seconds that the published list is good for, and that a copy of it may be used. */
const listLifetime = 3600;
const listTtl = 60;

export class TokenAuthority {
  readonly #parts: AuthorityParts;
  /** Of the keys that were published when it was made. */
  #keys: { readonly kids: string; readonly source: KeySource } | undefined;
  /** The last one: anybody may ask for it, and the same is not signed twice, which a TPM takes its time for. */
  #list: { readonly says: string; readonly signed: Promise<string> } | undefined;

  constructor(parts: AuthorityParts) {
    this.#parts = parts;
  }

  get issuer(): string {
    return this.#parts.issuer;
  }

  /**
   * `jkt`: the key it is bound to; undefined for a bearer token, which only egress may ask for. `record` is called while it is
   * signed, when it is known and can be revoked. When that throws, or the key does not sign, there is no token.
   */
  async mint(
    session: SessionView,
    wish: Wish,
    jkt: string | undefined,
    parent?: Claims,
    record: (claims: Claims) => void = () => undefined,
  ): Promise<Minted> {
    const { store, now, ring } = this.#parts;
    this.#checkWish(session, wish, parent);
    // Known before it is signed: a token that nobody may revoke is never made.
    const claims = this.#known(() => this.#claims(session, wish, jkt, parent), store);
    try {
      const key = ring.signing(now());
      return { claims, token: await key.sign(tokenType, claimsJson(claims), () => record(claims)) };
    } catch (error) {
      store.revoke([claims.jti], Math.floor(now() / 1000), notGiven);
      throw error;
    }
  }

  /** A place in the status list that is another's is drawn anew. */
  #known(draw: () => Claims, store: TokenStore): Claims {
    for (let i = 0; i < maxDraws; i++) {
      const claims = draw();
      if (store.add(issuedOf(claims))) return claims;
    }
    throw new TokenRefused('unavailable', 'the status list is full', 'wait until tokens have expired');
  }

  #checkWish(session: SessionView, wish: Wish, parent: Claims | undefined): void {
    const { store, now, attestation } = this.#parts;
    const { capabilitySet, subject } = session;
    const lack = beyondSession(wish.audience, wish.details, session);
    if (lack !== undefined) throw new TokenRefused('beyond-session', lack.reason, lack.fix);
    const { attestation: demanded = 'none', attestedWithin = Infinity } = capabilitySet.tokens ?? {};
    const unmet = attestationLacks(attestation(), demanded, now(), attestedWithin * 1000);
    if (unmet !== undefined)
      throw new TokenRefused('attestation', unmet, 'cordon attest says what this machine has proved');
    if (wish.uses !== 1 && wish.details.some(({ type }) => type === 'file.upload'))
      throw new TokenRefused('schema', 'an upload has exactly one use');
    if (!store.hasRoom(subject.session, now() / 1000, liveLimit))
      throw new TokenRefused('rate', `the session has ${liveLimit} tokens that live`);
    if (parent !== undefined) checkNarrower(wish, parent);
  }

  #claims(
    { subject, capabilitySet }: SessionView,
    wish: Wish,
    jkt: string | undefined,
    parent?: Claims,
  ): Claims {
    const { issuer, statusUri, now } = this.#parts;
    const iat = Math.floor(now() / 1000);
    const lifetime = Math.min(wish.lifetime, capabilitySet.tokens?.lifetime ?? 0);
    const { tpm, verdict, at, verifier } = this.#proved();
    const { profile, policyDigest, generation } = capabilitySet;
    return {
      iss: issuer,
      sub: subjectText(subject),
      aud: wish.audience,
      jti: newTokenId(),
      iat,
      nbf: iat,
      exp: Math.min(iat + lifetime, parent?.exp ?? Infinity),
      ...(jkt === undefined ? {} : { jkt }),
      details: wish.details,
      status: { idx: randomInt(listSize), uri: statusUri },
      subject,
      policy: { profile: profile.name, version: profile.version, digest: policyDigest, generation },
      attestation: {
        verdict,
        tpm,
        at: Math.floor(at / 1000),
        ...(verifier === undefined ? {} : { verifier }),
      },
      uses: wish.uses,
      ...(wish.purpose === undefined ? {} : { purpose: wish.purpose }),
      lineage: parent === undefined ? [] : [...parent.lineage, { jti: parent.jti, uses: parent.uses }],
    };
  }

  /** What an acceptance that has ended said is nobody’s word any more. */
  #proved(): AttestationState {
    const { attestation, now } = this.#parts;
    const state = attestation();
    const over = state.verdict === 'passed' && attestationLacks(state, 'software', now()) !== undefined;
    return over ? { ...state, verdict: 'unknown' } : state;
  }

  /** Who asks for a token proves that he has the key it will be bound to. */
  proven(proof: string): Promise<string> {
    return checkProof(proof, mintProof, this.#replay(), this.#parts.now());
  }

  /** A token that a sub-token is to be made from: good here and now, and shown by who has its key. */
  async parent(session: SessionView, token: string, proof: string): Promise<Claims> {
    const claims = await this.#read(session, token);
    const expected = { ...mintProof, token, ...(claims.jkt === undefined ? {} : { jkt: claims.jkt }) };
    if (claims.jkt === undefined)
      throw new TokenRefused('proof', 'a token that is bound to no key has no sub-tokens');
    await checkProof(proof, expected, this.#replay(), this.#parts.now());
    return claims;
  }

  /** Takes the one use of an upload token for this request. What may be uploaded is in the answer. */
  async useUpload(
    session: SessionView,
    shown: { readonly token: string; readonly proof: string; readonly method: string },
    to: UploadTo,
  ): Promise<{ readonly claims: Claims; readonly upload: FileUploadDetail }> {
    const claims = await this.#read(session, shown.token);
    if (claims.aud !== to.audience) throw new TokenRefused('audience', `the token is for ${claims.aud}`);
    const upload = claims.details.find((detail) => isUploadTo(detail, to));
    if (upload?.type !== 'file.upload' || destinationOf(upload.destination).scheme !== to.scheme)
      throw new TokenRefused('not-covered', 'the token permits no upload to this place');
    const url = upload.destination;
    const expected = { method: shown.method, url, token: shown.token };
    if (claims.jkt === undefined) throw new TokenRefused('proof', 'an upload token is bound to a key');
    await checkProof(shown.proof, { ...expected, jkt: claims.jkt }, this.#replay(), this.#parts.now());
    if (!this.#parts.store.take([...claims.lineage.map(({ jti }) => jti), claims.jti]))
      throw new TokenRefused('used-up', 'the token has no uses left');
    return { claims, upload };
  }

  /** Signature, time, session, policy and revocation: everything that does not depend on what the token is for. */
  async #read({ subject, capabilitySet }: SessionView, token: string): Promise<Claims> {
    const { store, issuer, now } = this.#parts;
    const claims = await readToken(token, this.#ownKeys());
    const seconds = now() / 1000;
    if (claims.iss !== issuer) throw new TokenRefused('issuer', 'the token is by another issuer');
    if (claims.subject.session !== subject.session)
      throw new TokenRefused('stolen', `the token is session ${claims.subject.session}'s`);
    if (claims.exp <= seconds) throw new TokenRefused('expired', 'the token has expired');
    if (claims.nbf > seconds) throw new TokenRefused('not-yet-valid', 'the token is not valid yet');
    if (claims.policy.digest !== capabilitySet.policyDigest)
      throw new TokenRefused('policy', 'the token was minted under a policy that is no longer in force');
    for (const { jti } of [...claims.lineage, claims]) {
      const issued = store.get(jti);
      if (issued === undefined || issued.revoked > 0)
        throw new TokenRefused('revoked', issued === undefined ? 'the token is not known here' : issued.why);
    }
    return claims;
  }

  /** Neither it nor a token that it was made from is revoked. */
  lives({ jti, lineage }: Claims): boolean {
    return [...lineage, { jti }].every((each) => this.#parts.store.get(each.jti)?.revoked === 0);
  }

  #ownKeys(): KeySource {
    const { ring, now } = this.#parts;
    const published = ring.published(now());
    const kids = published.map(({ kid }) => kid).join();
    if (this.#keys?.kids !== kids) this.#keys = { kids, source: keySource(jwksOf(published), now) };
    return this.#keys.source;
  }

  list(selector: Selector): IssuedToken[] {
    return this.#parts.store.list(selector, this.#parts.now() / 1000);
  }

  /** In force, and on the disk, when it returns. */
  revoke(tokens: readonly IssuedToken[], why: string): IssuedToken[] {
    return this.#parts.store.revoke(
      tokens.map(({ jti }) => jti),
      this.#parts.now(),
      why,
    );
  }

  /** Of the published keys, what the TPM loads those from that are in it. */
  get wrappedKeys(): readonly NonNullable<SigningKey['wrapped']>[] {
    const { ring, now } = this.#parts;
    return ring.published(now()).flatMap(({ wrapped }) => (wrapped === undefined ? [] : [wrapped]));
  }

  jwks(): object {
    return jwksOf(this.#parts.ring.published(this.#parts.now()));
  }

  statusList(): Promise<string> {
    const { ring, store, issuer, statusUri, now } = this.#parts;
    store.prune(Math.floor(now() / 1000) - 300);
    const facts = { issuer, uri: statusUri, now: now(), ttl: listTtl, lifetime: listLifetime };
    const [key, places] = [ring.signing(facts.now), store.revokedPlaces()];
    const says = [key.kid, Math.floor(facts.now / 1000), ...places].join();
    if (this.#list?.says !== says) {
      const signed = signStatusList(key, places, facts);
      this.#list = { says, signed };
      // What failed is tried anew.
      signed.catch(() => {
        if (this.#list?.signed === signed) this.#list = undefined;
      });
    }
    return this.#list.signed;
  }

  rotate(atOnce: boolean): Promise<{ readonly kid: string }> {
    return this.#parts.ring.rotate(this.#parts.now(), atOnce);
  }

  async rotateWhenDue(): Promise<boolean> {
    if (!this.#parts.ring.isDue(this.#parts.now())) return false;
    await this.rotate(false);
    return true;
  }

  #replay(): Pick<Replay, 'first'> {
    return { first: (id, until) => this.#parts.store.firstProof(id, until) };
  }
}

const issuedOf = ({
  jti,
  status,
  subject,
  policy,
  aud,
  lineage,
  details,
  purpose,
  iat,
  exp,
  uses,
}: Claims): IssuedToken => ({
  jti,
  idx: status.idx,
  session: subject.session,
  agent: subject.agent.name,
  digest: policy.digest,
  audience: aud,
  parent: lineage.at(-1)?.jti ?? '',
  details: details.map(detailText).join('; ').slice(0, 2000),
  purpose: purpose ?? '',
  iat,
  exp,
  uses,
  used: 0,
  revoked: 0,
  why: '',
});
