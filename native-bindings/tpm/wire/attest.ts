// TPMS_ATTEST (Part 2, 10.12.12): what an attestation key signs.
import { Reader, TpmWireError } from './bytes.ts';
import { ATTEST, generatedMagic } from './constants.ts';
import { readSelection } from './pcr.ts';
import type { PcrSelection } from './pcr.ts';

interface Common {
  readonly magic: number;
  /** Qualified name of the key that signed. */
  readonly signer: Buffer;
  /** qualifyingData of the command. */
  readonly extraData: Buffer;
  /** Milliseconds the TPM has been powered; never goes back unless the TPM is cleared. */
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  /** False: `clock` may repeat values of before an unorderly shutdown. */
  readonly safe: boolean;
  readonly firmware: bigint;
}
export interface QuoteAttest extends Common {
  readonly type: 'quote';
  readonly selection: readonly PcrSelection[];
  readonly pcrDigest: Buffer;
}
export interface NvAttest extends Common {
  readonly type: 'nv';
  readonly index: Buffer;
  readonly offset: number;
  readonly contents: Buffer;
}
export interface CertifyAttest extends Common {
  readonly type: 'certify';
  readonly name: Buffer;
  readonly qualifiedName: Buffer;
}
/** That the TPM itself created this object, and from what (TPMS_CREATION_INFO). */
export interface CreationAttest extends Common {
  readonly type: 'creation';
  readonly name: Buffer;
  /** Of TPMS_CREATION_DATA, by the object's name algorithm. */
  readonly creationHash: Buffer;
}
/** Signed by a TPM's key, and none of the kinds that are used here. */
export interface OtherAttest extends Common {
  readonly type: 'other';
  readonly tag: number;
}
export type Attest = QuoteAttest | NvAttest | CertifyAttest | CreationAttest | OtherAttest;

function flag(reader: Reader): boolean {
  const value = reader.u8();
  if (value > 1) throw new TpmWireError(`${value} is neither yes nor no`);
  return value === 1;
}

/** Reads whatever is well formed: that `magic` is right and the type the one wanted is for the verifier to check. */
export function readAttest(bytes: Uint8Array): Attest {
  const reader = new Reader(bytes);
  const magic = reader.u32();
  const tag = reader.u16();
  const common: Common = {
    magic,
    signer: reader.sized(),
    extraData: reader.sized(),
    clock: reader.u64(),
    resetCount: reader.u32(),
    restartCount: reader.u32(),
    safe: flag(reader),
    firmware: reader.u64(),
  };
  const result = readBody(reader, tag, common);
  reader.end();
  return result;
}

function readBody(reader: Reader, tag: number, common: Common): Attest {
  switch (tag) {
    case ATTEST.QUOTE:
      return { ...common, type: 'quote', selection: readSelection(reader), pcrDigest: reader.sized(64) };
    case ATTEST.NV:
      return {
        ...common,
        type: 'nv',
        index: reader.sized(),
        offset: reader.u16(),
        contents: reader.sized(),
      };
    case ATTEST.CERTIFY:
      return { ...common, type: 'certify', name: reader.sized(), qualifiedName: reader.sized() };
    case ATTEST.CREATION:
      return { ...common, type: 'creation', name: reader.sized(), creationHash: reader.sized(64) };
    default:
      reader.rest();
      return { ...common, type: 'other', tag };
  }
}

export const isGenerated = ({ magic }: Attest): boolean => magic === generatedMagic;
