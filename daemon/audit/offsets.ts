// Which entries of a segment have a term, as it is stored: few as a list of u16 LE, more as a map of bits.
import type { Term } from '../ocsf/mod.ts';
import type { TermTable } from './term-table.ts';

/** Entries of a segment. */
export const segmentSize = 16_384;
export const mapBytes = segmentSize / 8;

/** Which entries of a segment: one bit each, by offset. */
export type Offsets = Uint8Array;

/** Less than this many offsets are listed, two bytes each; more are a map of bits. */
const most = mapBytes / 2 - 1;

/** Bytes of so many offsets. */
export const packedSize = (count: number): number => (count <= most ? count * 2 : mapBytes);

/** Writes the offsets of a term; returns where they end. `bytes` is zero there. */
export function packInto(bytes: Uint8Array, start: number, table: TermTable, term: Term): number {
  const count = table.count(term);
  let at = start;
  if (count <= most)
    table.each(term, (offset) => {
      bytes[at] = offset & 0xff;
      bytes[at + 1] = offset >> 8;
      at += 2;
    });
  else
    table.each(term, (offset) => {
      const byte = start + (offset >> 3);
      bytes[byte] = (bytes[byte] ?? 0) | (1 << (offset & 7));
    });
  return start + packedSize(count);
}

export function unpack(stored: Uint8Array): Offsets {
  if (stored.length === mapBytes) return stored;
  const map = new Uint8Array(mapBytes);
  for (let i = 0; i + 1 < stored.length; i += 2) {
    const offset = (stored[i] ?? 0) | ((stored[i + 1] ?? 0) << 8);
    if (offset < segmentSize) map[offset >> 3] = (map[offset >> 3] ?? 0) | (1 << (offset & 7));
  }
  return map;
}
