// One compact JWS, checked: bounded, a header of three known members, the algorithm of the key, the type that is asked for.
// The form is narrower than RFC 7515's, so little is left to get wrong; the tests hold it against jose. Checked at once, on
// this thread: a signature costs less than the way to another one, as it does where they are made (keys.ts).
import { verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { derOf } from './ecdsa.ts';
import { fieldsOf, oneOf } from './fields.ts';
import type { Fields } from './fields.ts';
import type { SigningAlgorithm } from './jwks.ts';
import { TokenRefused } from './refusal.ts';

const form = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const algorithms: readonly SigningAlgorithm[] = ['EdDSA', 'ES256'];

/** The header of something not yet verified. Refuses `none`, secret-key algorithms and members like `jku` or `crit`. */
export function headerOf(token: string, max: number, known: readonly string[]): Fields {
  if (token.length > max || !form.test(token) || !token.split('.').every(isCanonical))
    throw new TokenRefused('malformed', 'not a compact JWS');
  const header = fieldsOf(jsonOf(token.slice(0, token.indexOf('.'))), 'the header', known);
  const alg = header.get('alg');
  if (!algorithms.some((each) => each === alg))
    throw new TokenRefused('algorithm', `the algorithm is not one of ${algorithms.join(', ')}`);
  return header;
}

/** One text for the same bytes: bits of the last character that nobody reads must be zero (RFC 4648, section 3.5). */
const isCanonical = (part: string): boolean => Buffer.from(part, 'base64url').toString('base64url') === part;

function jsonOf(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    throw new TokenRefused('malformed', 'a part of the token is not JSON');
  }
}

export interface Expected {
  readonly header: Fields;
  readonly key: KeyObject;
  readonly algorithm: SigningAlgorithm;
  readonly type: string;
}

/** The payload, once signature, algorithm and type hold. */
export function payloadOf(token: string, { header, key, algorithm, type }: Expected): unknown {
  if (header.get('alg') !== algorithm)
    throw new TokenRefused('algorithm', `the key is for ${algorithm}, the token says otherwise`);
  if (!isSigned(token, key, algorithm)) throw new TokenRefused('signature', 'the signature does not hold');
  if (header.get('typ') !== type) oneOf(header, 'typ', [type]);
  return jsonOf(token.split('.')[1] ?? '');
}

/** Bytes: R and S side by side (RFC 7518 section 3.4), or an Ed25519 signature (RFC 8032). */
const signatureSize = 64;

function isSigned(token: string, key: KeyObject, algorithm: SigningAlgorithm): boolean {
  const end = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  if (signature.length !== signatureSize) return false;
  const signed = Buffer.from(token.slice(0, end), 'latin1');
  return algorithm === 'EdDSA'
    ? verify(null, signed, key, signature)
    : verify('sha256', signed, key, derOf(signature));
}
