// TPMT_PUBLIC (Part 2, 12.2.4): a key's or sealed object's public area, its Name, and its key for node:crypto.
import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { concat, put, Reader, TpmWireError } from './bytes.ts';
import { ALG, CURVE } from './constants.ts';
import { digest, isHash } from './hash.ts';

interface Common {
  /** TPMT_PUBLIC, without the size of a TPM2B. */
  readonly bytes: Buffer;
  readonly nameAlg: number;
  /** TPMA_OBJECT. */
  readonly attributes: number;
  readonly policy: Buffer;
}
interface KeyParameters {
  /** Of a storage key; undefined: none. */
  readonly symmetric: { readonly alg: number; readonly bits: number; readonly mode: number } | undefined;
  /** ALG.NULL: any. */
  readonly scheme: number;
  readonly schemeHash: number;
}
export interface RsaPublic extends Common, KeyParameters {
  readonly type: 'rsa';
  readonly bits: number;
  readonly exponent: number;
  readonly modulus: Buffer;
}
export interface EccPublic extends Common, KeyParameters {
  readonly type: 'ecc';
  readonly curve: number;
  /** As the TPM gave them: leading zeros may be missing. */
  readonly x: Buffer;
  readonly y: Buffer;
}
export interface SealedPublic extends Common {
  readonly type: 'keyedhash';
}
export type Public = RsaPublic | EccPublic | SealedPublic;
export type KeyPublic = RsaPublic | EccPublic;

const maxUnique = 512;

function readKeyParameters(reader: Reader): KeyParameters {
  const alg = reader.u16();
  const symmetric = alg === ALG.NULL ? undefined : { alg, bits: reader.u16(), mode: reader.u16() };
  if (symmetric !== undefined && alg !== ALG.AES) throw new TpmWireError('a symmetric cipher other than AES');
  const scheme = reader.u16();
  const known: readonly number[] = [ALG.NULL, ALG.RSASSA, ALG.RSAPSS, ALG.ECDSA];
  if (!known.includes(scheme)) throw new TpmWireError(`scheme 0x${scheme.toString(16)} is not known`);
  return { symmetric, scheme, schemeHash: scheme === ALG.NULL ? ALG.NULL : reader.u16() };
}

function readRsa(reader: Reader, common: Common): RsaPublic {
  const parameters = readKeyParameters(reader);
  const bits = reader.u16();
  const exponent = reader.u32();
  return {
    type: 'rsa',
    ...common,
    ...parameters,
    bits,
    exponent: exponent === 0 ? 65537 : exponent,
    modulus: reader.sized(maxUnique),
  };
}

function readEcc(reader: Reader, common: Common): EccPublic {
  const parameters = readKeyParameters(reader);
  const curve = reader.u16();
  if (reader.u16() !== ALG.NULL) throw new TpmWireError('a key derivation scheme');
  return {
    type: 'ecc',
    ...common,
    ...parameters,
    curve,
    x: reader.sized(maxUnique),
    y: reader.sized(maxUnique),
  };
}

function readSealed(reader: Reader, common: Common): SealedPublic {
  if (reader.u16() !== ALG.NULL) throw new TpmWireError('a keyed hash with a scheme is no sealed object');
  reader.sized(maxUnique);
  return { type: 'keyedhash', ...common };
}

function readBody(reader: Reader, type: number, common: Common): Public {
  if (type === ALG.RSA) return readRsa(reader, common);
  if (type === ALG.ECC) return readEcc(reader, common);
  if (type === ALG.KEYEDHASH) return readSealed(reader, common);
  throw new TpmWireError(`objects of type 0x${type.toString(16)} are not used`);
}

/** All of `bytes` and nothing else. Throws TpmWireError. */
export function readPublic(bytes: Uint8Array): Public {
  const reader = new Reader(bytes);
  const type = reader.u16();
  const nameAlg = reader.u16();
  if (!isHash(nameAlg)) throw new TpmWireError(`name algorithm 0x${nameAlg.toString(16)}`);
  const common = {
    bytes: Buffer.from(bytes),
    nameAlg,
    attributes: reader.u32(),
    policy: reader.sized(64),
  };
  const result = readBody(reader, type, common);
  reader.end();
  return result;
}

/** Like `readPublic`, for what must be an asymmetric key. */
export function readKey(bytes: Uint8Array): KeyPublic {
  const result = readPublic(bytes);
  if (result.type === 'keyedhash') throw new TpmWireError('a sealed object where a key belongs');
  return result;
}

const curves: ReadonlyMap<number, { readonly name: string; readonly length: number }> = new Map([
  [CURVE.P256, { name: 'P-256', length: 32 }],
  [CURVE.P384, { name: 'P-384', length: 48 }],
]);

/** JWK name of the curve, and bytes of a coordinate. */
export function curveOf(curve: number): { readonly name: string; readonly length: number } {
  const known = curves.get(curve);
  if (known === undefined) throw new TpmWireError(`curve ${curve} is not used`);
  return known;
}

export function padded(bytes: Buffer, length: number): Buffer {
  if (bytes.length > length) throw new TpmWireError(`a number of ${bytes.length} bytes, more than ${length}`);
  return concat(Buffer.alloc(length - bytes.length), bytes);
}

function jwkOf(key: KeyPublic): Record<string, string> {
  if (key.type === 'rsa') {
    const exponent = put.u32(key.exponent);
    const e = exponent.subarray(exponent.findIndex((byte) => byte !== 0)).toString('base64url');
    return { kty: 'RSA', n: key.modulus.toString('base64url'), e };
  }
  const { name, length } = curveOf(key.curve);
  const [x, y] = [key.x, key.y].map((bytes) => padded(bytes, length).toString('base64url'));
  return { kty: 'EC', crv: name, x: x ?? '', y: y ?? '' };
}

/** Throws TpmWireError when the numbers are no key, such as a point off its curve. */
export function keyObjectOf(key: KeyPublic): KeyObject {
  const jwk = jwkOf(key);
  try {
    return createPublicKey({ format: 'jwk', key: jwk });
  } catch (error) {
    throw new TpmWireError(`no usable key: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Name of an object or NV index from its public area: algorithm, then digest (Part 1, 16). */
export const nameFrom = (nameAlg: number, publicArea: Uint8Array): Buffer =>
  concat(put.u16(nameAlg), digest(nameAlg, publicArea));
export const nameOf = (key: Public): Buffer => nameFrom(key.nameAlg, key.bytes);
