// The status list of the IETF (draft-ietf-oauth-status-list): one bit a token, 1 = revoked, the first token in the lowest bit
// of the first byte, compressed with zlib (RFC 1950), in a JWT of its own.
import { deflateSync, inflateSync } from 'node:zlib';
import { headerOf, payloadOf } from './compact.ts';
import { fieldsOf, integerOf, textOf } from './fields.ts';
import type { KeySource } from './jwks.ts';
import type { SigningKey } from './keys.ts';
import { TokenRefused } from './refusal.ts';

/** Entries of a list: more than may be alive at a time, and enough that a list tells nothing of how many are. */
export const listSize = 131_072;
export const statusListType = 'statuslist+jwt';
const maxListToken = 512 * 1024;
const maxListBytes = 4 * 1024 * 1024;

export interface StatusList {
  /** True when the token at this place is revoked. Throws TokenRefused('schema') beyond the end. */
  isRevoked(idx: number): boolean;
  readonly uri: string;
  /** Seconds since the epoch. */
  readonly issued: number;
  readonly expires: number;
}

/** `lst` of the list in which exactly these places are set. */
export function encodeBits(set: Iterable<number>, size: number = listSize): string {
  const bytes = new Uint8Array(Math.ceil(size / 8));
  for (const idx of set) bytes[idx >> 3]! |= 1 << (idx & 7);
  return deflateSync(bytes, { level: 9 }).toString('base64url');
}

export function decodeBits(lst: string): Uint8Array {
  try {
    return inflateSync(Buffer.from(lst, 'base64url'), { maxOutputLength: maxListBytes });
  } catch {
    throw new TokenRefused('malformed', 'the status list is not compressed as it must be');
  }
}

export interface ListFacts {
  readonly issuer: string;
  readonly uri: string;
  /** Unix milliseconds. */
  readonly now: number;
  /** Seconds for which a copy may be used. */
  readonly ttl: number;
  /** Seconds after which the list is worth nothing. */
  readonly lifetime: number;
}

export function signStatusList(
  key: SigningKey,
  revoked: Iterable<number>,
  facts: ListFacts,
): Promise<string> {
  const iat = Math.floor(facts.now / 1000);
  return key.sign(statusListType, {
    iss: facts.issuer,
    sub: facts.uri,
    iat,
    exp: iat + facts.lifetime,
    ttl: facts.ttl,
    status_list: { bits: 1, lst: encodeBits(revoked) },
  });
}

/** A list by the issuer, not expired. */
export async function readStatusList(
  token: string,
  keys: KeySource,
  issuer: string,
  now: number,
): Promise<StatusList> {
  const header = headerOf(token, maxListToken, ['typ', 'alg', 'kid']);
  const key = await keys(textOf(header, 'kid', 128));
  if (key === undefined) throw new TokenRefused('key', 'the status list is signed by an unknown key');
  const payload = payloadOf(token, { header, ...key, type: statusListType });
  const from = fieldsOf(payload, 'the status list', ['iss', 'sub', 'iat', 'exp', 'ttl', 'status_list']);
  if (from.get('iss') !== issuer) throw new TokenRefused('issuer', 'the status list is by another issuer');
  const expires = integerOf(from, 'exp', 0, Number.MAX_SAFE_INTEGER);
  if (expires * 1000 <= now)
    throw new TokenRefused('expired', 'the status list has expired: fetch a new one');
  const list = fieldsOf(from.get('status_list'), 'status_list', ['bits', 'lst']);
  integerOf(list, 'bits', 1, 1);
  const bits = decodeBits(textOf(list, 'lst', maxListToken, /^[A-Za-z0-9_-]+$/));
  return {
    uri: textOf(from, 'sub', 512),
    issued: integerOf(from, 'iat', 0, Number.MAX_SAFE_INTEGER),
    expires,
    isRevoked: (idx) => {
      const byte = bits[idx >> 3];
      if (byte === undefined) throw new TokenRefused('schema', 'the token is not in the status list');
      return ((byte >> (idx & 7)) & 1) === 1;
    },
  };
}
