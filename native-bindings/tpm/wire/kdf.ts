// The TPM's key derivations (Part 1, 11.4.10).
import { concat, put } from './bytes.ts';
import { digest, hashLength, hmac } from './hash.ts';

/** SP 800-108 in counter mode over HMAC. `bits` is a multiple of 8. */
export function kdfA(
  alg: number,
  key: Uint8Array,
  label: string,
  contextU: Uint8Array,
  contextV: Uint8Array,
  bits: number,
): Buffer {
  const blocks = Math.ceil(bits / 8 / hashLength(alg));
  const name = Buffer.from(`${label}\0`);
  const rounds = Array.from({ length: blocks }, (_, i) =>
    hmac(alg, key, put.u32(i + 1), name, contextU, contextV, put.u32(bits)),
  );
  return concat(...rounds).subarray(0, bits / 8);
}

/** SP 800-56A, one round: for secrets no longer than a digest. */
export const kdfE = (
  alg: number,
  z: Uint8Array,
  label: string,
  partyU: Uint8Array,
  partyV: Uint8Array,
  bits: number,
): Buffer => digest(alg, put.u32(1), z, Buffer.from(`${label}\0`), partyU, partyV).subarray(0, bits / 8);
