// Keys that sign tokens. A key says what it is and signs; where it is kept (a file, a TPM) is its own business.
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import type { TpmKind } from '../model/mod.ts';
import { thumbprintOf } from '../wire/dpop.ts';
import { signEs256 } from '../wire/es256.ts';
import type { PublicJwk } from '../wire/dpop.ts';
import type { SigningAlgorithm } from './jwks.ts';

export interface SigningKey {
  /** RFC 7638 thumbprint of the public key. */
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  readonly publicJwk: PublicJwk;
  /** Where the private key is. */
  readonly held: 'file' | 'tpm';
  /** What TPM, for one that is in it. */
  readonly tpm?: Exclude<TpmKind, 'none'>;
  /** For one that is in it: what the TPM loads it from. */
  readonly wrapped?: { readonly privateArea: Buffer; readonly publicArea: Buffer };
  /**
   * A compact JWS of this `typ` over this payload. `meanwhile` is done once, while it is being signed where that is done
   * elsewhere; when it throws there is no signature.
   */
  sign(type: string, payload: Readonly<Record<string, unknown>>, meanwhile?: () => void): Promise<string>;
}

/** As it stands in the key file. */
export type PrivateJwk = PublicJwk & { readonly d: string };

export function newPrivateJwk(algorithm: SigningAlgorithm): PrivateJwk {
  const pair =
    algorithm === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '', d = '' } = pair.privateKey.export({ format: 'jwk' });
  return algorithm === 'EdDSA' ? { kty: 'OKP', crv: 'Ed25519', x, d } : { kty: 'EC', crv: 'P-256', x, y, d };
}

/** Signs at once, on this thread: a signature takes some 50 µs, less than to wait for another thread's turn. */
export function softwareKey(jwk: PrivateJwk): SigningKey {
  const algorithm = jwk.kty === 'OKP' ? 'EdDSA' : 'ES256';
  const key = createPrivateKey({ key: { ...jwk }, format: 'jwk' });
  const publicJwk = publicPart(jwk);
  const kid = thumbprintOf(publicJwk);
  return {
    kid,
    algorithm,
    publicJwk,
    held: 'file',
    sign: (typ, payload, meanwhile) =>
      new Promise((resolve) => {
        meanwhile?.();
        const signed = signingInput({ alg: algorithm, typ, kid }, payload);
        // RFC 8037: Ed25519 takes no digest.
        const signature =
          algorithm === 'EdDSA'
            ? sign(null, Buffer.from(signed), key).toString('base64url')
            : signEs256(signed, key);
        resolve(`${signed}.${signature}`);
      }),
  };
}

/** RFC 7515, section 5.1. */
export const signingInput = (header: object, payload: object): string => `${part(header)}.${part(payload)}`;

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const publicPart = (jwk: PrivateJwk): PublicJwk =>
  jwk.kty === 'OKP'
    ? { kty: jwk.kty, crv: jwk.crv, x: jwk.x }
    : { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y };

/** For publication (RFC 7517). */
export const jwksOf = (
  keys: readonly Pick<SigningKey, 'kid' | 'algorithm' | 'publicJwk' | 'held' | 'tpm'>[],
): { readonly keys: readonly object[] } => ({
  keys: keys.map(({ kid, algorithm, publicJwk, held, tpm }) => ({
    ...publicJwk,
    kid,
    alg: algorithm,
    use: 'sig',
    ...(held === 'tpm' ? { cordon: { held, tpm } } : {}),
  })),
});
