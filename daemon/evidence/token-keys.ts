// Keys that sign capability tokens, in the TPM: its attestation key says that they are, with every quote.
import { createHash } from 'node:crypto';
import { keyObjectOf, readKey } from '../../native-bindings/tpm/wire/mod.ts';
import type { SignedBytes } from './evidence.ts';

/** TPM2_Certify of the key, with the statement's digest as qualifyingData. */
export interface TokenKeyEvidence extends SignedBytes {
  /** TPMT_PUBLIC. */
  readonly publicArea: Buffer;
}

/** That one quote certifies: those that are published. */
export const maxTokenKeys = 8;

/** RFC 7638, base64url: the `kid` of the published key. Throws for what is no elliptic curve's key. */
export function keyThumbprint(publicArea: Uint8Array): string {
  const { crv, kty, x, y } = keyObjectOf(readKey(publicArea)).export({ format: 'jwk' });
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
}
