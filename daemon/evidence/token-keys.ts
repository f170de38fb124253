// Keys that sign capability tokens, in the TPM: its attestation key says that they are, with every quote.
import { createHash } from 'node:crypto';
import { keyObjectOf, readKey } from '../../native-bindings/tpm/wire/mod.ts';
import { CordonError } from '../model/mod.ts';
import type { SignedBytes } from './evidence.ts';

/** TPM2_Certify of the key, with the statement's digest as qualifyingData. */
export interface TokenKeyEvidence extends SignedBytes {
  /** TPMT_PUBLIC. */
  readonly publicArea: Buffer;
}

/** That one quote certifies: those that are published. */
export const maxTokenKeys = 8;

/** As it is published (RFC 7517), with the `kid` that tokens name. */
export interface EcJwk {
  readonly kty: 'EC';
  readonly crv: string;
  readonly x: string;
  readonly y: string;
  /** RFC 7638 thumbprint, base64url. */
  readonly kid: string;
}

/** Throws for what is no elliptic curve's key. */
export function tokenJwk(publicArea: Uint8Array): EcJwk {
  const { crv = '', kty, x = '', y = '' } = keyObjectOf(readKey(publicArea)).export({ format: 'jwk' });
  if (kty !== 'EC') throw new CordonError('protocol', 'a token key is none of an elliptic curve');
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  return { kty, crv, x, y, kid };
}
