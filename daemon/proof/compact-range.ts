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

  /** Of `subtrees(size)`, in that order. */
  get roots(): readonly Hash[] {
    return [...this.#roots];
  }

  copy(): CompactRange {
    return CompactRange.of(this.#size, this.#roots);
  }

  /** A leaf, or the root of a whole subtree of height `at`, where the size is a multiple of its width. */
  append(added: Hash, completed?: Completed, at = 0): void {
    let hash = added;
    let height = at;
    const width = 2 ** at;
    for (let left = this.#size / width; left % 2 === 1; left = (left - 1) / 2) {
      hash = nodeHash(this.#roots.pop() ?? '', hash);
      height += 1;
      completed?.(height, (left - 1) / 2, hash);
    }
    this.#roots.push(hash);
    this.#size += width;
  }

  root(): Hash {
    return foldRoots(this.#roots);
  }
}

/** The root of the tree whose whole subtrees, largest first, have these roots. */
export function foldRoots(roots: readonly Hash[]): Hash {
  const last = roots.at(-1);
  if (last === undefined) return emptyRoot;
  return roots.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last);
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

/** The whole subtrees that follow, in order, when a tree grows from one size to another. */
export function subtreesBetween(from: number, to: number): Subtree[] {
  const found: Subtree[] = [];
  for (let at = from; at < to;) {
    let [width, height] = [1, 0];
    while (at % (width * 2) === 0 && at + width * 2 <= to) [width, height] = [width * 2, height + 1];
    found.push({ height, index: at / width });
    at += width;
  }
  return found;
}

/** The largest power of two that is at most `size`; 1 for 0. */
function largestPower(size: number): number {
  let power = 1;
  while (power * 2 <= size) power *= 2;
  return power;
}
