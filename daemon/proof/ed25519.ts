// Ed25519 (RFC 8032) by raw 32-byte public keys.
import { createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export const publicKeySize = 32;
export const signatureSize = 64;

/** Throws when the bytes are no key. */
export function publicKeyOf(raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

export function rawPublicKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
}

export const holdsSignature = (key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean =>
  signature.length === signatureSize && verify(null, message, key, signature);
