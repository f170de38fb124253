// Terms of a segment and where they are, some hundred a row: a row for each would be most of what the index costs.
// A block: u16 LE number of terms; the terms, ascending, f64 LE; the end of each one's offsets, u32 LE, counted from where
// the first ones begin; the offsets, as offsets.ts packs them.
import type { Term } from '../ocsf/mod.ts';
import { packedSize, packInto } from './offsets.ts';
import type { TermTable } from './term-table.ts';

/** Two pages of SQLite's at most, but for a term that has more by itself. */
const mostBytes = 12_000;
const mostTerms = 512;
const [head, termSize, endSize] = [2, 8, 4];

export interface TermBlock {
  readonly first: Term;
  readonly bytes: Buffer;
}

/** Ascending. */
export function* termBlocks(table: TermTable): Generator<TermBlock> {
  const ordered = table.sorted();
  let from = 0;
  let size = 0;
  for (let i = 0; i < ordered.length; i++) {
    const more = packedSize(table.count(ordered[i] ?? 0)) + termSize + endSize;
    if (i > from && (size + more > mostBytes || i - from === mostTerms)) {
      yield blockOf(ordered.subarray(from, i), size, table);
      [from, size] = [i, 0];
    }
    size += more;
  }
  if (ordered.length > 0) yield blockOf(ordered.subarray(from), size, table);
}

/** `size`: of all but the head. */
function blockOf(terms: Float64Array, size: number, table: TermTable): TermBlock {
  const count = terms.length;
  const start = head + count * (termSize + endSize);
  const bytes = Buffer.alloc(head + size);
  bytes.writeUInt16LE(count, 0);
  let end = start;
  terms.forEach((term, i) => {
    bytes.writeDoubleLE(term, head + i * termSize);
    end = packInto(bytes, end, table, term);
    bytes.writeUInt32LE(end - start, head + count * termSize + i * endSize);
  });
  return { first: terms[0] ?? 0, bytes };
}

/** The packed offsets of a term; undefined when the block has none, or is damaged. */
export function findInBlock(bytes: Buffer, term: Term): Uint8Array | undefined {
  const count = bytes.length < head ? 0 : bytes.readUInt16LE(0);
  const ends = head + count * termSize;
  const start = ends + count * endSize;
  if (bytes.length < start) return undefined;
  let [low, high] = [0, count - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bytes.readDoubleLE(head + middle * termSize) < term) low = middle + 1;
    else high = middle;
  }
  if (count === 0 || bytes.readDoubleLE(head + low * termSize) !== term) return undefined;
  const from = low === 0 ? 0 : bytes.readUInt32LE(ends + (low - 1) * endSize);
  return bytes.subarray(start + from, start + bytes.readUInt32LE(ends + low * endSize));
}

/** Its terms, ascending; none when it is damaged. */
export function termsInBlock(bytes: Buffer): Float64Array {
  const count = bytes.length < head ? 0 : bytes.readUInt16LE(0);
  if (bytes.length < head + count * (termSize + endSize)) return new Float64Array();
  const start = bytes.byteOffset + head;
  return new Float64Array(bytes.buffer.slice(start, start + count * termSize));
}
