// Policy digests, computed without a TPM (Part 3, 23).
import { concat, put } from './bytes.ts';
import { ALG, CC } from './constants.ts';
import { digest } from './hash.ts';
import { ascending, writeSelection } from './pcr.ts';

/** Values of one bank by PCR. */
export type PcrValues = ReadonlyMap<number, Buffer>;

/** What the TPM signs and compares: the digest over the values in ascending order. */
export const pcrDigest = (hash: number, values: PcrValues): Buffer =>
  digest(hash, ...ascending(values.keys()).map((pcr) => values.get(pcr) ?? Buffer.alloc(0)));

/** The SHA-256 policy that holds while the PCRs of `bank` have these values. */
export function pcrPolicy(bank: number, values: PcrValues): Buffer {
  const selection = writeSelection([{ alg: bank, pcrs: ascending(values.keys()) }]);
  const step = concat(put.u32(CC.PolicyPCR), selection, pcrDigest(ALG.SHA256, values));
  return digest(ALG.SHA256, Buffer.alloc(32), step);
}
