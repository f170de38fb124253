// TPMT_SIGNATURE (Part 2, 11.3.4), and checking one.
import { constants, verify } from 'node:crypto';
import { concat, put, Reader, TpmWireError } from './bytes.ts';
import { ALG } from './constants.ts';
import { hashName, isHash } from './hash.ts';
import { curveOf, keyObjectOf, padded } from './public.ts';
import type { KeyPublic } from './public.ts';

export type Signature =
  | { readonly scheme: 'rsassa' | 'rsapss'; readonly hash: number; readonly bytes: Buffer }
  | { readonly scheme: 'ecdsa'; readonly hash: number; readonly r: Buffer; readonly s: Buffer };

const maxNumber = 512;

export function readSignature(bytes: Uint8Array): Signature {
  const reader = new Reader(bytes);
  const alg = reader.u16();
  const hash = reader.u16();
  if (!isHash(hash)) throw new TpmWireError(`signature with hash 0x${hash.toString(16)}`);
  const result = readBody(reader, alg, hash);
  reader.end();
  return result;
}

function readBody(reader: Reader, alg: number, hash: number): Signature {
  if (alg === ALG.ECDSA)
    return { scheme: 'ecdsa', hash, r: reader.sized(maxNumber), s: reader.sized(maxNumber) };
  if (alg === ALG.RSASSA) return { scheme: 'rsassa', hash, bytes: reader.sized(maxNumber) };
  if (alg === ALG.RSAPSS) return { scheme: 'rsapss', hash, bytes: reader.sized(maxNumber) };
  throw new TpmWireError(`signature algorithm 0x${alg.toString(16)}`);
}

/** SHA-1 signs nothing that is believed here. */
const strongEnough = (hash: number): boolean => hash !== ALG.SHA1;

/** Whether `key` signed `message`. A signature of another scheme than the key's is none. */
export function signedBy(key: KeyPublic, message: Uint8Array, signature: Signature): boolean {
  if (!strongEnough(signature.hash)) return false;
  const hash = hashName(signature.hash);
  if (signature.scheme === 'ecdsa') return key.type === 'ecc' && verifyEcdsa(key, hash, message, signature);
  if (key.type !== 'rsa') return false;
  const padding =
    signature.scheme === 'rsassa' ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_PSS_PADDING;
  return verify(hash, message, { key: keyObjectOf(key), padding }, signature.bytes);
}

function verifyEcdsa(
  key: KeyPublic & { readonly type: 'ecc' },
  hash: string,
  message: Uint8Array,
  { r, s }: { readonly r: Buffer; readonly s: Buffer },
): boolean {
  const { length } = curveOf(key.curve);
  // A TPM may leave out leading zeros; IEEE P1363 does not.
  if (r.length > length || s.length > length) return false;
  const bytes = concat(padded(r, length), padded(s, length));
  return verify(hash, message, { key: keyObjectOf(key), dsaEncoding: 'ieee-p1363' }, bytes);
}

/** The same signature as others write it: ECDSA as DER, RSA as it is. */
export const ecdsaP1363 = (signature: Signature & { readonly scheme: 'ecdsa' }, length: number): Buffer =>
  concat(padded(signature.r, length), padded(signature.s, length));

export const writeEcdsa = (hash: number, r: Buffer, s: Buffer): Buffer =>
  concat(put.u16(ALG.ECDSA), put.u16(hash), put.sized(r), put.sized(s));
