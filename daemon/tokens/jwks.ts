// Public keys, read strictly: Ed25519 and P-256 only, each good for one algorithm. That a key decides the algorithm, and
// never the token's header, is what ends algorithm confusion.
import { KeyObject } from 'node:crypto';
import { importJWK } from 'jose';
import { thumbprintOf } from '../wire/dpop.ts';
import type { PublicJwk } from '../wire/dpop.ts';
import { fieldsOf, listOf, oneOf, textOf } from './fields.ts';
import { TokenRefused } from './refusal.ts';

export type SigningAlgorithm = 'EdDSA' | 'ES256';

export interface VerifyingKey {
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  readonly jwk: PublicJwk;
  readonly key: KeyObject;
}

const coordinate = /^[A-Za-z0-9_-]{43}$/;
const maxKeys = 16;

/** Refuses private and secret keys, whatever else they say. */
export function publicJwkOf(value: unknown): PublicJwk {
  const from = fieldsOf(value, 'the key', ['kty', 'crv', 'x', 'y', 'kid', 'alg', 'use', 'cordon']);
  const x = textOf(from, 'x', 43, coordinate);
  if (oneOf(from, 'kty', ['EC', 'OKP']) === 'OKP') {
    oneOf(from, 'crv', ['Ed25519']);
    return { kty: 'OKP', crv: 'Ed25519', x };
  }
  oneOf(from, 'crv', ['P-256']);
  return { kty: 'EC', crv: 'P-256', x, y: textOf(from, 'y', 43, coordinate) };
}

export const algorithmOf = (jwk: PublicJwk): SigningAlgorithm => (jwk.kty === 'OKP' ? 'EdDSA' : 'ES256');

/** Throws TokenRefused('key') for a point that is not on its curve. */
export async function importPublic(jwk: PublicJwk): Promise<KeyObject> {
  try {
    const key = await importJWK({ ...jwk }, algorithmOf(jwk));
    if (key instanceof Uint8Array) throw new TypeError('a secret key');
    return KeyObject.from(key);
  } catch (cause) {
    throw new TokenRefused(
      'key',
      `the key is not usable: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
}

/** A JWK Set (RFC 7517 section 5) by key id. A key without `kid` is known by its thumbprint. */
export async function verifyingKeys(jwks: unknown): Promise<ReadonlyMap<string, VerifyingKey>> {
  const entries = listOf(fieldsOf(jwks, 'the key set', ['keys']), 'keys', maxKeys);
  const keys = new Map<string, VerifyingKey>();
  for (const entry of entries) {
    const jwk = publicJwkOf(entry);
    const named = (entry as { kid?: unknown }).kid;
    const kid = typeof named === 'string' && named.length <= 128 ? named : thumbprintOf(jwk);
    keys.set(kid, { kid, algorithm: algorithmOf(jwk), jwk, key: await importPublic(jwk) });
  }
  return keys;
}

/** A key by its id; undefined when there is none. */
export type KeySource = (kid: string) => Promise<VerifyingKey | undefined>;

/** Milliseconds between two looks for keys that are not known: a stranger's token must not make us ask without end. */
const keyPatience = 10_000;
/** Milliseconds for which keys are known: one that leaked is taken out of the set, and must end with that. */
const keysAge = 300_000;

/** Milliseconds for which whoever has a known key waits for that: a server that hangs must not hold up every request. */
const renewalPatience = 2000;

async function awhile(work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), renewalPatience);
  await Promise.race([work.catch(() => undefined), promise]);
  clearTimeout(timer);
}

/** `jwks`: the key set, or a function that gets it. */
export function keySource(jwks: unknown, now: () => number): KeySource {
  const fetch = (): Promise<unknown> =>
    new Promise((resolve) => resolve(typeof jwks === 'function' ? (jwks as () => unknown)() : jwks));
  let known: ReadonlyMap<string, VerifyingKey> | undefined;
  let loading: Promise<ReadonlyMap<string, VerifyingKey>> | undefined;
  let fetched = -Infinity;
  // What is known stays known when there is no answer: a stranger's token must not make us forget either.
  const load = (): Promise<ReadonlyMap<string, VerifyingKey>> => {
    fetched = now();
    const mine: Promise<ReadonlyMap<string, VerifyingKey>> = fetch()
      .then(verifyingKeys)
      .then((keys) => (loading === mine ? (known = keys) : keys))
      .finally(() => {
        if (loading === mine) loading = undefined;
      });
    return (loading = mine);
  };
  return async (kid) => {
    if (known !== undefined && typeof jwks === 'function' && now() - fetched >= keysAge) await awhile(load());
    const found = (known ?? (await (loading ?? load()))).get(kid);
    if (found !== undefined || typeof jwks !== 'function') return found;
    if (loading === undefined && now() - fetched < keyPatience) return undefined;
    return (await (loading ?? load())).get(kid);
  };
}
