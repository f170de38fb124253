// The claims of a token, in their one shape. What is signed by us is still read as if it were a stranger's: a key that is
// not known is refused, so that no verifier passes over a restriction it does not understand.
import { randomBytes } from 'node:crypto';
import type { AttestationVerdict, TpmKind } from '../model/mod.ts';
import { detailJson, detailsOf } from './details.ts';
import type { Detail } from './details.ts';
import { fieldsOf, integerOf, listOf, oneOf, textOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { TokenRefused } from './refusal.ts';

/** Seconds; no token lives longer. */
export const maxLifetime = 3600;
export const defaultLifetime = 300;
export const maxUses = 1_000_000;
/** Sub-tokens of sub-tokens: so many generations, the first included. */
export const maxDepth = 4;
/** Characters of a whole token. */
export const maxToken = 16 * 1024;
/** `typ` of the header: keeps a token from being taken for another JWT by the same key, and the other way round. */
export const tokenType = 'cordon-token+jwt';

export interface TokenSubject {
  readonly session: string;
  readonly user: string;
  readonly agent: { readonly name: string; readonly version?: string };
}

export interface TokenPolicyClaim {
  readonly profile: string;
  readonly version: number;
  /** Of the effective policy the session ran under, SHA-256 in hex. */
  readonly digest: string;
  readonly generation: number;
}

export interface AttestationClaim {
  readonly verdict: AttestationVerdict;
  readonly tpm: TpmKind;
  /** Seconds since the epoch; 0 when nobody has decided. */
  readonly at: number;
  readonly verifier?: string;
}

export interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string;
  readonly jti: string;
  /** Seconds since the epoch (RFC 7519 NumericDate, whole). */
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  /** RFC 7638 thumbprint of the key that must prove possession (RFC 9449 section 6.1); undefined for a bearer token. */
  readonly jkt?: string;
  readonly details: readonly Detail[];
  /** Place in the status list. */
  readonly status: { readonly idx: number; readonly uri: string };
  readonly subject: TokenSubject;
  readonly policy: TokenPolicyClaim;
  readonly attestation: AttestationClaim;
  /** Which machine: Name of its attestation key, hexadecimal. Only in tokens of an issuer of several (`verifier serve`). */
  readonly endpoint?: string;
  readonly uses: number;
  readonly purpose?: string;
  /** Ancestors, the first token first. A use of this token is a use of each of them. */
  readonly lineage: readonly { readonly jti: string; readonly uses: number }[];
}

/** 127 random bits in base64url. The first bit is 0: no id begins with a hyphen, which a command takes for an option. */
export function newTokenId(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8(bytes.readUInt8(0) & 0x7f, 0);
  return bytes.toString('base64url');
}

const jtiForm = /^[A-Za-z0-9_-]{22}$/;
const endpointForm = /^(?:[0-9a-f]{2}){22,66}$/;
const thumbprintForm = /^[A-Za-z0-9_-]{43}$/;
const digestForm = /^[A-Za-z0-9_-]{1,128}$/;
const maxSeconds = 2 ** 40;

export const subjectText = ({ session }: TokenSubject): string => `cordon:session:${session}`;

export function claimsOf(value: unknown): Claims {
  const from = fieldsOf(value, 'the token', [
    ...['iss', 'sub', 'aud', 'jti', 'iat', 'nbf', 'exp', 'cnf', 'authorization_details', 'status', 'cordon'],
  ]);
  const own = fieldsOf(from.get('cordon'), 'cordon', [
    ...['session', 'user', 'agent', 'policy', 'attestation', 'endpoint', 'uses', 'purpose', 'lineage'],
  ]);
  const claims: Claims = {
    iss: textOf(from, 'iss', 512),
    sub: textOf(from, 'sub', 512),
    aud: textOf(from, 'aud', 512),
    jti: textOf(from, 'jti', 22, jtiForm),
    iat: integerOf(from, 'iat', 0, maxSeconds),
    nbf: integerOf(from, 'nbf', 0, maxSeconds),
    exp: integerOf(from, 'exp', 0, maxSeconds),
    ...(from.has('cnf')
      ? { jkt: textOf(fieldsOf(from.get('cnf'), 'cnf', ['jkt']), 'jkt', 43, thumbprintForm) }
      : {}),
    details: detailsOf(from.get('authorization_details')),
    status: statusOf(from.get('status')),
    subject: subjectOf(own),
    policy: policyOf(own.get('policy')),
    attestation: attestationOf(own.get('attestation')),
    ...(own.has('endpoint') ? { endpoint: textOf(own, 'endpoint', 132, endpointForm) } : {}),
    uses: integerOf(own, 'uses', 1, maxUses),
    ...(own.has('purpose') ? { purpose: textOf(own, 'purpose', 200) } : {}),
    lineage: own.has('lineage') ? listOf(own, 'lineage', maxDepth - 1).map(ancestorOf) : [],
  };
  checkTogether(claims);
  return claims;
}

function checkTogether({ sub, subject, iat, nbf, exp, details, uses, lineage }: Claims): void {
  if (sub !== subjectText(subject)) throw new TokenRefused('schema', 'sub is not the session of the token');
  if (exp - iat > maxLifetime || exp <= iat || nbf < iat || nbf >= exp)
    throw new TokenRefused('lifetime', `the token lives longer than ${maxLifetime} s, or not at all`);
  const counts = [...lineage.map((each) => each.uses), uses];
  if (counts.some((count, i) => i > 0 && count > (counts[i - 1] ?? 0)))
    throw new TokenRefused('schema', 'the token has more uses than its parent');
  if (uses !== 1 && details.some(({ type }) => type === 'file.upload'))
    throw new TokenRefused('schema', 'an upload has exactly one use');
}

function statusOf(value: unknown): Claims['status'] {
  const list = fieldsOf(fieldsOf(value, 'status', ['status_list']).get('status_list'), 'status_list', [
    'idx',
    'uri',
  ]);
  return { idx: integerOf(list, 'idx', 0, 2 ** 24), uri: textOf(list, 'uri', 512) };
}

function subjectOf(own: Fields): TokenSubject {
  const agent = fieldsOf(own.get('agent'), 'agent', ['name', 'version']);
  const version = agent.has('version') ? { version: textOf(agent, 'version', 64) } : {};
  return {
    session: textOf(own, 'session', 64, /^[a-z0-9]+$/),
    user: textOf(own, 'user', 64),
    agent: { name: textOf(agent, 'name', 128), ...version },
  };
}

function policyOf(value: unknown): TokenPolicyClaim {
  const from = fieldsOf(value, 'policy', ['profile', 'version', 'digest', 'generation']);
  return {
    profile: textOf(from, 'profile', 256),
    version: integerOf(from, 'version', 0, 2 ** 31),
    digest: textOf(from, 'digest', 128, digestForm),
    generation: integerOf(from, 'generation', 0, Number.MAX_SAFE_INTEGER),
  };
}

function attestationOf(value: unknown): AttestationClaim {
  const from = fieldsOf(value, 'attestation', ['verdict', 'tpm', 'at', 'verifier']);
  return {
    verdict: oneOf(from, 'verdict', ['passed', 'failed', 'unknown']),
    tpm: oneOf(from, 'tpm', ['hardware', 'software', 'none']),
    at: integerOf(from, 'at', 0, maxSeconds),
    ...(from.has('verifier') ? { verifier: textOf(from, 'verifier', 512) } : {}),
  };
}

function ancestorOf(value: unknown): Claims['lineage'][number] {
  const from = fieldsOf(value, 'lineage', ['jti', 'uses']);
  return { jti: textOf(from, 'jti', 22, jtiForm), uses: integerOf(from, 'uses', 1, maxUses) };
}

/** The payload as it is signed. `claimsOf` gives back what went in. */
export function claimsJson(claims: Claims): Readonly<Record<string, unknown>> {
  const {
    jkt,
    details,
    status,
    subject,
    policy,
    attestation,
    endpoint,
    uses,
    purpose,
    lineage,
    ...registered
  } = claims;
  return {
    ...registered,
    ...(jkt === undefined ? {} : { cnf: { jkt } }),
    authorization_details: details.map(detailJson),
    status: { status_list: status },
    cordon: {
      ...subject,
      policy,
      attestation,
      ...(endpoint === undefined ? {} : { endpoint }),
      uses,
      ...(purpose === undefined ? {} : { purpose }),
      ...(lineage.length === 0 ? {} : { lineage }),
    },
  };
}
