// The side of DPoP (RFC 9449) that holds a key: agents and egress. Small on purpose, on Node's own crypto; who checks proofs
// is `tokens`.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { signEs256 } from './es256.ts';

/** A public key as RFC 7517 writes it, of the two kinds we use. */
export type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string };

export interface ProofFor {
  /** Request method. */
  readonly method: string;
  /** URL without query and fragment. */
  readonly url: string;
  /** The token that the proof goes with; none when one is asked for. */
  readonly token?: string;
  /** Unix time in milliseconds. */
  readonly now: number;
}

/** A key that proves possession. It lives as long as the process and is never written down. */
export interface ProofKey {
  readonly jwk: PublicJwk;
  /** RFC 7638, base64url: `cnf.jkt` of tokens bound to this key. */
  readonly thumbprint: string;
  /** One DPoP proof; never used twice. */
  prove(what: ProofFor): string;
}

/** RFC 7638: SHA-256 of the required members in alphabetical order. */
export function thumbprintOf(jwk: PublicJwk): string {
  const { kty, crv, x } = jwk;
  const members = kty === 'EC' ? { crv, kty, x, y: jwk.y } : { crv, kty, x };
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}

/** `ath` of a proof: SHA-256 of the token's characters. */
export const tokenHash = (token: string): string =>
  createHash('sha256').update(token, 'ascii').digest('base64url');

/** A P-256 key (ES256) of this process's own. */
export const newProofKey = (): ProofKey =>
  proofKeyOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);

/** From an EC P-256 private key. */
export function proofKeyOf(key: KeyObject): ProofKey {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const jwk: PublicJwk = { kty: 'EC', crv: 'P-256', x, y };
  const header = part({ typ: 'dpop+jwt', alg: 'ES256', jwk });
  return {
    jwk,
    thumbprint: thumbprintOf(jwk),
    prove: ({ method, url, token, now }) => {
      const claims = {
        jti: randomBytes(16).toString('base64url'),
        htm: method,
        htu: url,
        iat: Math.floor(now / 1000),
        ...(token === undefined ? {} : { ath: tokenHash(token) }),
      };
      const signed = `${header}.${part(claims)}`;
      return `${signed}.${signEs256(signed, key)}`;
    },
  };
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
