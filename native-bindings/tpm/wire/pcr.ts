// TPML_PCR_SELECTION (Part 2, 10.9.7).
import { concat, put, Reader, TpmWireError } from './bytes.ts';

export interface PcrSelection {
  /** Bank: a hash algorithm. */
  readonly alg: number;
  /** Ascending. */
  readonly pcrs: readonly number[];
}

/** A TPM has 24; the structure could name more, and none that is used does. */
export const pcrCount = 24;
const selectBytes = 3;
const maxBanks = 16;

export const ascending = (pcrs: Iterable<number>): number[] => [...new Set(pcrs)].sort((a, b) => a - b);

export function writeSelection(selections: readonly PcrSelection[]): Buffer {
  const each = selections.map(({ alg, pcrs }) => {
    const bits = Buffer.alloc(selectBytes);
    for (const pcr of pcrs) {
      if (!Number.isInteger(pcr) || pcr < 0 || pcr >= pcrCount) throw new TpmWireError(`no PCR ${pcr}`);
      bits.writeUInt8(bits.readUInt8(pcr >> 3) | (1 << (pcr & 7)), pcr >> 3);
    }
    return concat(put.u16(alg), put.u8(selectBytes), bits);
  });
  return concat(put.u32(selections.length), ...each);
}

export function readSelection(reader: Reader): PcrSelection[] {
  const count = reader.u32();
  if (count > maxBanks) throw new TpmWireError(`${count} banks`);
  return Array.from({ length: count }, () => {
    const alg = reader.u16();
    const size = reader.u8();
    if (size > 4) throw new TpmWireError(`a selection of ${size} bytes`);
    const bits = reader.bytes(size);
    const pcrs = [...bits].flatMap((byte, i) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => ((byte >> bit) & 1) === 1).map((bit) => i * 8 + bit),
    );
    return { alg, pcrs };
  });
}
