// The verdict as an Entity Attestation Token (RFC 9711) in a JWT (RFC 7519) that the verifier signs: what relying parties
// read. And the enrolment, which the verifier gives to the endpoint to keep: the verifier need not remember it.
import { decodeJwt, importJWK, jwtVerify, SignJWT } from 'jose';
import type { JWK, JWTPayload } from 'jose';
import { CordonError } from '../model/mod.ts';
import type { TpmKind } from '../model/mod.ts';
import type { Enrolled } from './enrol.ts';
import type { Verdict } from './verify.ts';

/** An OID of our own below 2.25 (ITU-T X.667): no registry needed. */
export const eatProfile = '2.25.266174051889571348921146837034155187393';
const resultType = 'eat+jwt';
const enrolmentType = 'cordon-enrolment+jwt';
const algorithms = ['EdDSA', 'ES256'];

export interface SigningKey {
  /** Private, with `alg` and `kid`. */
  readonly jwk: JWK;
  /** `iss`. */
  readonly issuer: string;
}

export interface ResultOptions {
  readonly key: SigningKey;
  readonly nonce: string;
  /** Unix seconds. */
  readonly now: number;
  /** Seconds. */
  readonly lifetime: number;
}

function headerOf({ alg = 'EdDSA', kid }: JWK, typ: string): { alg: string; typ: string; kid?: string } {
  return { alg, typ, ...(kid === undefined ? {} : { kid }) };
}

const base64url = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');

/** UEID of type RAND (0x01), 32 bytes: the digest in the attestation key's Name. */
const ueid = (ak: string): string => base64url(`01${ak.slice(-64)}`);

/** Signs the verdict, good or bad: a refusal is a result too. */
export async function resultToken(
  verdict: Verdict,
  { key, nonce, now, lifetime }: ResultOptions,
): Promise<string> {
  const { checks, statement, tpm, ak } = verdict;
  const claims: JWTPayload = {
    eat_profile: eatProfile,
    eat_nonce: base64url(nonce),
    ...(ak === '' ? {} : { ueid: ueid(ak), sub: ak }),
    measres: [['cordon', checks.map(({ name, outcome }) => [name, outcome])]],
    cordon: {
      accepted: verdict.accepted,
      tpm,
      reasons: Object.fromEntries(checks.map(({ name, reason }) => [name, reason])),
      ...(statement === undefined
        ? {}
        : {
            policy: statement.policy,
            generation: statement.generation,
            audit: statement.audit,
            auditKeySealed: checks.some(({ name, outcome }) => name === 'audit-key' && outcome === 'success'),
            tokenKeys: verdict.tokenKeys.map(({ kid }) => kid),
            killEpoch: statement.killEpoch,
            images: statement.images,
            sessions: statement.sessions.map(({ id, profile, mode, policy, layers, lacking }) => ({
              id,
              profile,
              mode,
              policy,
              layers,
              lacking,
            })),
          }),
    },
  };
  return new SignJWT(claims)
    .setProtectedHeader(headerOf(key.jwk, resultType))
    .setIssuer(key.issuer)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetime)
    .sign(await importJWK(key.jwk, key.jwk.alg ?? 'EdDSA'));
}

export interface AttestationResult {
  readonly accepted: boolean;
  readonly tpm: TpmKind;
  readonly ak: string;
  readonly issuer: string;
  /** Lowercase hexadecimal. */
  readonly nonce: string;
  /** Unix seconds. */
  readonly issued: number;
  readonly expires: number;
  /** Names and reasons of the checks that failed. */
  readonly failures: readonly string[];
}

const notOurs = (what: string): CordonError =>
  new CordonError('not-permitted', `the attestation result ${what}`);

/** What is checked needs no private part, should the file have one. */
const publicPart = (key: JWK): JWK =>
  Object.fromEntries(Object.entries(key).filter(([name]) => ['kty', 'crv', 'x', 'y', 'alg'].includes(name)));

async function verified(token: string, key: JWK, typ: string, now: number | undefined): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, await importJWK(publicPart(key), key.alg ?? 'EdDSA'), {
      typ,
      algorithms,
      ...(now === undefined ? {} : { currentDate: new Date(now * 1000) }),
    });
    return payload;
  } catch (error) {
    throw notOurs(`is not to be believed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const kindOf = (value: unknown): TpmKind => (value === 'hardware' || value === 'software' ? value : 'none');

function failuresOf(payload: JWTPayload, reasons: Readonly<Record<string, unknown>>): string[] {
  const groups: unknown[] = Array.isArray(payload['measres']) ? payload['measres'] : [];
  return groups.flatMap((group) => {
    const results: unknown = Array.isArray(group) ? group[1] : undefined;
    if (!Array.isArray(results)) return [];
    return results.flatMap((each: unknown) => {
      const [name, outcome] = Array.isArray(each) ? (each as unknown[]) : [];
      return outcome === 'fail' ? [`${textOf(name)}: ${textOf(reasons[textOf(name)])}`] : [];
    });
  });
}

/** Reads a result, signed by `key` and not expired at `now` (Unix seconds). Throws CordonError. */
export async function readResult(token: string, key: JWK, now: number): Promise<AttestationResult> {
  const payload = await verified(token, key, resultType, now);
  if (payload['eat_profile'] !== eatProfile) throw notOurs('is of another profile');
  const cordon = recordOf(payload['cordon']);
  return {
    accepted: cordon['accepted'] === true,
    tpm: kindOf(cordon['tpm']),
    ak: textOf(payload.sub),
    issuer: textOf(payload.iss),
    nonce: Buffer.from(textOf(payload['eat_nonce']), 'base64url').toString('hex'),
    issued: payload.iat ?? 0,
    expires: payload.exp ?? 0,
    failures: failuresOf(payload, recordOf(cordon['reasons'])),
  };
}

export async function enrolmentToken(enrolled: Enrolled, key: SigningKey, now: number): Promise<string> {
  const { ak, ...facts } = enrolled;
  return new SignJWT({ ...facts })
    .setProtectedHeader(headerOf(key.jwk, enrolmentType))
    .setIssuer(key.issuer)
    .setSubject(ak)
    .setIssuedAt(now)
    .sign(await importJWK(key.jwk, key.jwk.alg ?? 'EdDSA'));
}

/** The verifier's own word, given back to it. Throws CordonError. */
export async function readEnrolmentToken(token: string, key: JWK): Promise<Enrolled> {
  const payload = await verified(token, key, enrolmentType, undefined);
  const tpm = kindOf(payload['tpm']);
  if (tpm === 'none' || textOf(payload.sub) === '') throw notOurs('is no enrolment');
  return {
    ak: textOf(payload.sub),
    ek: textOf(payload['ek']),
    tpm,
    manufacturer: textOf(payload['manufacturer']),
    model: textOf(payload['model']),
    firmware: textOf(payload['firmware']),
    counter: textOf(payload['counter']),
  };
}

/** Without checking anything: to find out whom to ask. */
export const issuerOf = (token: string): string => decodeJwt(token).iss ?? '';
