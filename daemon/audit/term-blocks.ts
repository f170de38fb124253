// Terms of a segment and where they are, some hundred a row: a row for each would be most of what the index costs.
// A block: u16 LE number of terms; the terms, ascending, f64 LE; the end of each one's offsets, u32 LE, counted from where
// the first ones begin; the offsets, as segments.ts packs them.
import type { Term } from '../ocsf/mod.ts';

/** Two pages of SQLite's at most, but for a term that has more by itself. */
const mostBytes = 12_000;
const mostTerms = 512;
const [head, termSize, endSize] = [2, 8, 4];

export interface TermBlock {
  readonly first: Term;
  readonly bytes: Buffer;
}

/** Ascending. `offsetsOf`: the offsets of a term as they are stored. */
export function* termBlocks(
  terms: Iterable<Term>,
  offsetsOf: (term: Term) => Uint8Array,
): Generator<TermBlock> {
  const ordered = Float64Array.from(terms).sort();
  let from = 0;
  let packed: Uint8Array[] = [];
  let size = 0;
  for (let i = 0; i < ordered.length; i++) {
    const offsets = offsetsOf(ordered[i] ?? 0);
    const more = offsets.length + termSize + endSize;
    if (packed.length > 0 && (size + more > mostBytes || packed.length === mostTerms)) {
      yield blockOf(ordered.subarray(from, i), packed);
      [from, packed, size] = [i, [], 0];
    }
    packed.push(offsets);
    size += more;
  }
  if (packed.length > 0) yield blockOf(ordered.subarray(from), packed);
}

function blockOf(terms: Float64Array, packed: readonly Uint8Array[]): TermBlock {
  const count = terms.length;
  const start = head + count * (termSize + endSize);
  const bytes = Buffer.allocUnsafe(packed.reduce((sum, { length }) => sum + length, start));
  bytes.writeUInt16LE(count, 0);
  let end = 0;
  packed.forEach((offsets, i) => {
    bytes.writeDoubleLE(terms[i] ?? 0, head + i * termSize);
    bytes.set(offsets, start + end);
    end += offsets.length;
    bytes.writeUInt32LE(end, head + count * termSize + i * endSize);
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
