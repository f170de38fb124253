// Digests by the TPM's numbers for them.
import { createHash, createHmac } from 'node:crypto';
import { TpmWireError } from './bytes.ts';
import { ALG } from './constants.ts';

const hashes: ReadonlyMap<number, { readonly name: string; readonly length: number }> = new Map([
  [ALG.SHA1, { name: 'sha1', length: 20 }],
  [ALG.SHA256, { name: 'sha256', length: 32 }],
  [ALG.SHA384, { name: 'sha384', length: 48 }],
  [ALG.SHA512, { name: 'sha512', length: 64 }],
]);

function hashOf(alg: number): { readonly name: string; readonly length: number } {
  const known = hashes.get(alg);
  if (known === undefined) throw new TpmWireError(`hash algorithm 0x${alg.toString(16)} is not known`);
  return known;
}

export const hashName = (alg: number): string => hashOf(alg).name;
/** Bytes of a digest. */
export const hashLength = (alg: number): number => hashOf(alg).length;
export const isHash = (alg: number): boolean => hashes.has(alg);
/** `sha256` → 0x000b; undefined for a name that is no bank. */
export const hashNamed = (name: string): number | undefined =>
  [...hashes].find(([, known]) => known.name === name)?.[0];

export function digest(alg: number, ...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash(hashName(alg));
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function hmac(alg: number, key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac(hashName(alg), key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}
