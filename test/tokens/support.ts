// Tokens made by hand, for tests that need them right but for one thing.
import {
  newPrivateJwk,
  softwareKey,
  jwksOf,
  claimsJson,
  subjectText,
  tokenType,
} from '../../daemon/tokens/mod.ts';
import type { Claims, SigningAlgorithm, SigningKey } from '../../daemon/tokens/mod.ts';
import { newProofKey } from '../../daemon/wire/mod.ts';
import type { ProofKey } from '../../daemon/wire/mod.ts';

/** Unix milliseconds; the tests' clock stands still. */
export const now = 1_800_000_000_000;
export const seconds = now / 1000;
export const issuer = 'urn:cordon:test';
export const audience = 'https://api.example';
export const url = 'https://api.example/v1/messages';

export const sampleClaims = (more: Partial<Claims> = {}): Claims => {
  const subject = { session: 'abcdefgh', user: 'nobody', agent: { name: 'codex', version: '1.2' } };
  return {
    iss: issuer,
    sub: subjectText(subject),
    aud: audience,
    jti: 'AAAAAAAAAAAAAAAAAAAAAA',
    iat: seconds,
    nbf: seconds,
    exp: seconds + 300,
    details: [{ type: 'http', methods: ['POST'], host: 'api.example', port: 443, path: '/v1/*' }],
    status: { idx: 7, uri: 'file:///run/cordon/tokens/status.jwt' },
    subject,
    policy: { profile: 'p', version: 1, digest: 'd1', generation: 1 },
    attestation: { verdict: 'passed', tpm: 'software', at: seconds - 10, verifier: 'urn:v' },
    uses: 1,
    purpose: 'a test',
    lineage: [],
    ...more,
  };
};

export interface Endpoint {
  readonly key: SigningKey;
  readonly jwks: object;
  readonly proofKey: ProofKey;
  /** A token bound to `proofKey`, unless said otherwise. */
  token(more?: Partial<Claims>): Promise<string>;
  /** Signed as a token, whatever it says. */
  raw(payload: Readonly<Record<string, unknown>>, type?: string): Promise<string>;
  proof(token: string, more?: Partial<{ method: string; url: string; now: number }>): string;
}

export async function endpoint(algorithm: SigningAlgorithm = 'EdDSA'): Promise<Endpoint> {
  const key = softwareKey(newPrivateJwk(algorithm));
  const proofKey = newProofKey();
  return {
    key,
    jwks: jwksOf([key]),
    proofKey,
    token: (more = {}) =>
      key.sign(tokenType, claimsJson(sampleClaims({ jkt: proofKey.thumbprint, ...more }))),
    raw: (payload, type = tokenType) => key.sign(type, payload),
    proof: (token, more = {}) => proofKey.prove({ method: 'POST', url, now, token, ...more }),
  };
}
