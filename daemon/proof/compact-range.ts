// A growing tree, kept as the roots of its largest whole subtrees only: one a binary digit of its size.
import { emptyRoot, nodeHash } from './hash.ts';
import type { Hash } from './hash.ts';

/** Told of every subtree that became whole: its height, and its index among those of that height. */
export type Completed = (height: number, index: number, hash: Hash) => void;

export class CompactRange {
  #size = 0;
  /** Largest subtree first. */
  readonly #roots: Hash[] = [];

  /** `roots`: those of `subtrees(size)`, in that order. */
  static of(size: number, roots: readonly Hash[]): CompactRange {
    const range = new CompactRange();
    range.#size = size;
    range.#roots.push(...roots);
    return range;
  }

  get size(): number {
    return this.#size;
  }

  copy(): CompactRange {
    return CompactRange.of(this.#size, this.#roots);
  }

  append(leaf: Hash, completed?: Completed): void {
    let hash = leaf;
    let height = 0;
    for (let left = this.#size; left % 2 === 1; left = (left - 1) / 2) {
      hash = nodeHash(this.#roots.pop() ?? '', hash);
      height += 1;
      completed?.(height, (left - 1) / 2, hash);
    }
    this.#roots.push(hash);
    this.#size += 1;
  }

  root(): Hash {
    const last = this.#roots.at(-1);
    if (last === undefined) return emptyRoot;
    return this.#roots.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last);
  }
}

export interface Subtree {
  readonly height: number;
  readonly index: number;
}

/** The whole subtrees that a tree of this size is made of, largest (leftmost) first. */
export function subtrees(size: number): Subtree[] {
  const found: Subtree[] = [];
  let from = 0;
  for (let width = largestPower(size); width >= 1; width /= 2)
    if (size - from >= width) {
      found.push({ height: Math.log2(width), index: from / width });
      from += width;
    }
  return found;
}

/** The largest power of two that is at most `size`; 1 for 0. */
function largestPower(size: number): number {
  let power = 1;
  while (power * 2 <= size) power *= 2;
  return power;
}
