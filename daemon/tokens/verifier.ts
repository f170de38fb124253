// For those who accept tokens: a backend checks a request by one call. Needs no state of the endpoint: the public keys, and
// if revocation is to count at once, the status list. Flat guards, success last.
import { claimsOf, maxLifetime, maxToken, tokenType } from './claims.ts';
import type { Claims } from './claims.ts';
import { headerOf, payloadOf } from './compact.ts';
import { isAmbiguousPath } from './details.ts';
import { textOf } from './fields.ts';
import { keySource } from './jwks.ts';
import type { KeySource } from './jwks.ts';
import { permits } from './permits.ts';
import type { TokenAction } from './permits.ts';
import { checkProof } from './proof.ts';
import type { ProofKeys } from './proof.ts';
import { TokenRefused } from './refusal.ts';
import { memoryReplay } from './replay.ts';
import type { Replay } from './replay.ts';
import { readStatusList } from './status-list.ts';
import type { StatusList } from './status-list.ts';

export interface VerifierOptions {
  /** JWK Set of the endpoint (`cordon token jwks`), or the way to get it; asked again when a key is not known, and after five minutes. */
  readonly jwks: unknown;
  /** `iss` that must be. */
  readonly issuer: string;
  /** `aud` that must be: who this backend is. */
  readonly audience: string;
  /** Where uses and proofs are remembered; in this process when not given. */
  readonly replay?: Replay;
  /** Gives the status list JWT (`cordon token status`). Without it, tokens end by expiry only. */
  readonly statusList?: () => string | Promise<string>;
  /** Insist that the endpoint had attested itself, and by which TPM. */
  readonly attestation?: 'software' | 'hardware';
  /** True: also take tokens that are bound to no key. Whoever has such a token can use it. */
  readonly bearer?: boolean;
  /** Policy digests that are accepted; any when not given. */
  readonly policies?: readonly string[];
  /** Seconds that clocks may differ. */
  readonly clockTolerance?: number;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

export interface Presented {
  /** The whole Authorization field: `DPoP <token>` or `Bearer <token>`. */
  readonly authorization: string | undefined;
  /** The DPoP field. */
  readonly dpop?: string | undefined;
  readonly method: string;
  /** Full URL of the request, as the client sees it. */
  readonly url: string;
  /** What is asked for; when not given, the request itself, as `http`. */
  readonly action?: TokenAction;
}

export interface TokenVerifier {
  /** The claims, once everything holds; a use is then taken. Rejects with TokenRefused. */
  verify(presented: Presented): Promise<Claims>;
}

export function createTokenVerifier(options: VerifierOptions): TokenVerifier {
  const { clockTolerance = 5, now = Date.now, replay = memoryReplay() } = options;
  const keys = keySource(options.jwks, now);
  const list = listSource(options, keys, now);
  const proofKeys: ProofKeys = new Map();
  return {
    verify: async (presented) => {
      const { token, bound } = credentials(presented.authorization);
      const claims = await readToken(token, keys);
      const seconds = now() / 1000;
      checkStanding(claims, options);
      if (!permits(claims.details, presented.action ?? requestOf(presented)))
        throw new TokenRefused('not-covered', 'the token does not permit this');
      if ((await list?.())?.isRevoked(claims.status.idx) === true)
        throw new TokenRefused('revoked', 'the token was revoked');
      if (bound !== (claims.jkt !== undefined) || (!bound && options.bearer !== true))
        throw new TokenRefused(
          'proof',
          bound ? 'the token is bound to no key' : 'a bearer token is not accepted here',
        );
      if (claims.jkt !== undefined)
        await checkProof(
          presented.dpop ?? '',
          { ...presented, token, jkt: claims.jkt },
          replay,
          now(),
          proofKeys,
        );
      const taken = await replay.take(
        [...claims.lineage, claims],
        usedUntil(claims) + clockTolerance + 1,
        Math.floor(seconds),
      );
      if (!taken) throw new TokenRefused('used-up', 'the token has no uses left');
      return claims;
    },
  };
}

/**
 * Seconds since the epoch for which a use is remembered. A use is its ancestors’ too, and these may outlive it: none was made
 * later, and none lives longer than any token may.
 */
const usedUntil = ({ lineage, iat, exp }: Claims): number => (lineage.length === 0 ? exp : iat + maxLifetime);

/** Does it count here and now, whoever shows it? */
export function checkStanding(
  claims: Claims,
  { issuer, audience, policies, attestation, clockTolerance = 5, now = Date.now }: VerifierOptions,
): void {
  const seconds = now() / 1000;
  if (claims.iss !== issuer) throw new TokenRefused('issuer', 'the token is by another issuer');
  if (claims.aud !== audience) throw new TokenRefused('audience', `the token is for ${claims.aud}`);
  if (claims.exp + clockTolerance <= seconds) throw new TokenRefused('expired', 'the token has expired');
  if (claims.nbf - clockTolerance > seconds)
    throw new TokenRefused('not-yet-valid', 'the token is not valid yet');
  if (policies?.includes(claims.policy.digest) === false)
    throw new TokenRefused('policy', 'the token was minted under a policy that is not accepted');
  checkAttestation(claims, attestation);
}

/** Signature, type and shape: what the token says, and nothing about whether it counts here and now. */
export async function readToken(token: string, keys: KeySource): Promise<Claims> {
  const header = headerOf(token, maxToken, ['typ', 'alg', 'kid']);
  const key = await keys(textOf(header, 'kid', 128));
  if (key === undefined) throw new TokenRefused('key', 'the token is signed by an unknown key');
  return claimsOf(payloadOf(token, { header, ...key, type: tokenType }));
}

function credentials(authorization: string | undefined): { token: string; bound: boolean } {
  const match = /^(DPoP|Bearer) ([A-Za-z0-9._-]+)$/i.exec(authorization ?? '');
  if (match === null) throw new TokenRefused('malformed', 'no Authorization of DPoP or Bearer with a token');
  return { token: match[2] ?? '', bound: match[1]?.toLowerCase() === 'dpop' };
}

function requestOf({ method, url }: Presented): TokenAction {
  if (!URL.canParse(url)) throw new TokenRefused('not-covered', 'the URL of the request is not one');
  // As it was sent: a URL resolves dot segments away, and who serves the request may not.
  const sent = /^[^:/?#]+:\/\/[^/?#\\]*([^?#]*)/.exec(url)?.[1];
  if (sent === undefined || isAmbiguousPath(sent) || /[\t\n\r]/.test(sent))
    throw new TokenRefused('not-covered', 'the path of the request is not in its one spelling');
  const { protocol, hostname, port, pathname } = new URL(url);
  const usual = protocol === 'https:' ? 443 : 80;
  return {
    type: 'http',
    method,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? usual : Number(port),
    path: pathname,
  };
}

function checkAttestation({ attestation }: Claims, wanted: VerifierOptions['attestation']): void {
  if (wanted === undefined) return;
  if (attestation.verdict !== 'passed' || attestation.tpm === 'none')
    throw new TokenRefused('attestation', 'the endpoint had not attested itself');
  if (wanted === 'hardware' && attestation.tpm !== 'hardware')
    throw new TokenRefused('attestation', 'the TPM of the endpoint is software');
}

/** Parsed once for each text that it is given. */
function listSource(
  { statusList, issuer }: VerifierOptions,
  keys: KeySource,
  now: () => number,
): (() => Promise<StatusList>) | undefined {
  if (statusList === undefined) return undefined;
  let last: { text: string; list: StatusList } | undefined;
  return async () => {
    const text = await statusList();
    if (last?.text === text && last.list.expires * 1000 > now()) return last.list;
    last = { text, list: await readStatusList(text, keys, issuer, now()) };
    return last.list;
  };
}
