// What ties the key of the record's checkpoints to a TPM. The key is Ed25519, which TPMs do not sign with: it is sealed,
// and the sealed object's creation data name its public half for good.
import { createHash } from 'node:crypto';
import type { SignedBytes } from './evidence.ts';

/** TPM2_CertifyCreation of the sealed object, with the statement's digest as qualifyingData. */
export interface RecordKeyEvidence extends SignedBytes {
  /** TPMT_PUBLIC of the sealed object. */
  readonly publicArea: Buffer;
  /** TPMS_CREATION_DATA of the sealed object. */
  readonly creationData: Buffer;
}

const context = 'cordon-record-key/1\0';

/** outsideInfo of the object that seals this Ed25519 key (32 bytes). */
export const recordKeyBinding = (publicKey: Uint8Array): Buffer =>
  createHash('sha256').update(context).update(publicKey).digest();
