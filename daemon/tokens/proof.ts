// DPoP proofs, checked as RFC 9449 section 4.3 says: one request, one token, one key, once, now.
import type { KeyObject } from 'node:crypto';
import { thumbprintOf, tokenHash } from '../wire/dpop.ts';
import { headerOf, payloadOf } from './compact.ts';
import { fieldsOf, integerOf, textOf } from './fields.ts';
import { algorithmOf, importPublic, publicJwkOf } from './jwks.ts';
import { TokenRefused } from './refusal.ts';
import type { Replay } from './replay.ts';

export interface ProofExpected {
  readonly method: string;
  /** Query and fragment are not compared. */
  readonly url: string;
  /** The token it must go with; undefined when a token is asked for. */
  readonly token?: string;
  /** The key it must be by; undefined: any. */
  readonly jkt?: string;
}

/** Seconds that a proof is good for, and that a clock may be ahead. */
export const proofAge = 60;
const clockAhead = 5;
const maxProof = 4096;

/** Keys that have proved possession before, by thumbprint: reading one costs as much as using it. */
export type ProofKeys = Map<string, KeyObject>;
const maxKnown = 1000;

/** Resolves with the thumbprint of the key that proved possession. `now`: Unix milliseconds. */
export async function checkProof(
  proof: string,
  expected: ProofExpected,
  replay: Pick<Replay, 'first'>,
  now: number,
  keys: ProofKeys = new Map(),
): Promise<string> {
  const header = headerOf(proof, maxProof, ['typ', 'alg', 'jwk']);
  const jwk = publicJwkOf(header.get('jwk'));
  const jkt = thumbprintOf(jwk);
  if (expected.jkt !== undefined && jkt !== expected.jkt)
    throw new TokenRefused('stolen', 'the proof is by another key than the token is bound to');
  const key = keys.get(jkt) ?? (await importPublic(jwk));
  const payload = payloadOf(proof, { header, key, algorithm: algorithmOf(jwk), type: 'dpop+jwt' });
  if (keys.size >= maxKnown) keys.clear();
  keys.set(jkt, key);
  const from = fieldsOf(payload, 'the proof', ['jti', 'htm', 'htu', 'iat', 'ath', 'nonce']);
  const seconds = Math.floor(now / 1000);
  const iat = integerOf(from, 'iat', 0, Number.MAX_SAFE_INTEGER);
  if (textOf(from, 'htm', 32) !== expected.method)
    throw new TokenRefused('proof', 'the proof is for another method');
  if (withoutQuery(textOf(from, 'htu', 4096)) !== withoutQuery(expected.url))
    throw new TokenRefused('proof', 'the proof is for another URL');
  if (iat > seconds + clockAhead || iat < seconds - proofAge)
    throw new TokenRefused('proof', `the proof is not from the last ${proofAge} s`);
  if (expected.token !== undefined && textOf(from, 'ath', 64) !== tokenHash(expected.token))
    throw new TokenRefused('proof', 'the proof goes with another token');
  const fresh = await replay.first(`${jkt}.${textOf(from, 'jti', 128)}`, iat + proofAge + 1, seconds);
  if (!fresh) throw new TokenRefused('replayed', 'this proof was seen before');
  return jkt;
}

/** In the one spelling of the URL standard (default ports, case of scheme and host). */
function withoutQuery(url: string): string {
  if (!URL.canParse(url)) throw new TokenRefused('proof', 'the URL of the proof is not one');
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
