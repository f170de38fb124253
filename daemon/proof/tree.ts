// Roots and proofs of a tree whose whole subtrees can be asked for (RFC 6962, section 2.1).
import { emptyRoot, nodeHash } from './hash.ts';
import type { Hash } from './hash.ts';

/** Root of the whole subtree over the leaves from `index * 2**height` on, `2**height` of them. */
export type Nodes = (height: number, index: number) => Hash;

/** Where a tree of more than one leaf is split: the largest power of two below its size. */
function split(size: number): number {
  let width = 1;
  while (width * 2 < size) width *= 2;
  return width;
}

const isPower = (size: number): boolean => Number.isInteger(Math.log2(size)) && 2 ** Math.log2(size) === size;

/** Root over the leaves `from` to `to` (not included); `from` as RFC 6962 splits. */
function rangeRoot(nodes: Nodes, from: number, to: number): Hash {
  const size = to - from;
  if (isPower(size)) return nodes(Math.log2(size), from / size);
  const middle = from + split(size);
  return nodeHash(rangeRoot(nodes, from, middle), rangeRoot(nodes, middle, to));
}

export const rootOf = (nodes: Nodes, size: number): Hash =>
  size === 0 ? emptyRoot : rangeRoot(nodes, 0, size);

function mustBeWithin(what: string, value: number, low: number, high: number): void {
  if (!Number.isSafeInteger(value) || value < low || value > high)
    throw new RangeError(`${what} ${value} is not within ${low} and ${high}`);
}

/** That leaf `index` is in the tree of `size` leaves: PATH of RFC 6962, section 2.1.1. Throws RangeError. */
export function inclusionProof(nodes: Nodes, index: number, size: number): Hash[] {
  mustBeWithin('tree size', size, 1, Number.MAX_SAFE_INTEGER);
  mustBeWithin('leaf', index, 0, size - 1);
  const path: Hash[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + split(to - from);
    if (index < middle) {
      path.push(rangeRoot(nodes, middle, to));
      to = middle;
    } else {
      path.push(rangeRoot(nodes, from, middle));
      from = middle;
    }
  }
  return path.reverse();
}

/** That the tree of `size` begins with the one of `first` leaves: PROOF of RFC 6962, section 2.1.2. Throws RangeError. */
export function consistencyProof(nodes: Nodes, first: number, size: number): Hash[] {
  mustBeWithin('tree size', size, 0, Number.MAX_SAFE_INTEGER);
  mustBeWithin('earlier size', first, 0, size);
  if (first === 0 || first === size) return [];
  const path: Hash[] = [];
  let [from, to] = [0, size];
  // While the earlier tree's end is inside this subtree.
  while (first !== to) {
    const middle = from + split(to - from);
    if (first <= middle) {
      path.push(rangeRoot(nodes, middle, to));
      to = middle;
    } else {
      path.push(rangeRoot(nodes, from, middle));
      from = middle;
    }
  }
  if (from > 0) path.push(rangeRoot(nodes, from, to));
  return path.reverse();
}
