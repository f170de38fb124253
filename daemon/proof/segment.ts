// Checks a stretch of a log that begins at a whole segment (65,536 leaves): links of the chain, leaf hashes, tiles.
// Stretches are independent, so that several can be checked at once; what they say of the tree is put together after.
import { CompactRange } from './compact-range.ts';
import { chainHash, leafHash } from './hash.ts';
import type { Hash } from './hash.ts';
import { tileWidth } from './tile.ts';

export const segmentSize = tileWidth * tileWidth;

export interface StoredEntry {
  /** In its log, from 0. */
  readonly index: number;
  readonly leaf: Hash;
  readonly chain: Hash;
  /** Null when pruned. */
  readonly text: string | null;
}

/** From and with `from`, up to and with `to`. */
export interface IndexRange {
  readonly from: number;
  readonly to: number;
}

/** An entry that does not follow the one before it. */
export interface ChainBreak {
  readonly index: number;
  readonly leaf: Hash;
  readonly chain: Hash;
  /** Stored chains of the entries before, the nearest first. */
  readonly before: readonly Hash[];
}

export interface SegmentTask {
  /** A multiple of the segment size. */
  readonly from: number;
  /** Not included. */
  readonly to: number;
  /** Stored chain of the entry before the first; undefined when that is missing. */
  readonly before: Hash | undefined;
  /** Stored roots of the whole tiles of this stretch. */
  readonly tiles: readonly (Hash | undefined)[];
  /** Sizes, within the stretch or at its end, at which the tree is asked for; ascending. */
  readonly sizes: readonly number[];
}

export interface SegmentResult {
  /** Events that are not what their leaf hash says. */
  readonly edits: readonly number[];
  readonly breaks: readonly ChainBreak[];
  readonly holes: readonly IndexRange[];
  readonly pruned: readonly IndexRange[];
  /** Indexes of the first leaves of tiles whose stored root is another than that of their leaves. */
  readonly tiles: readonly number[];
  /** Roots of the whole subtrees of this stretch alone, at these sizes. */
  readonly heads: readonly { readonly size: number; readonly roots: readonly Hash[] }[];
  /** The same at the end. */
  readonly roots: readonly Hash[];
  readonly entries: number;
}

/** How far back a break is looked into. */
const memory = 8;

/** Beyond so many of a kind, more of them tell nothing new. */
const most = 10_000;

function addTo(ranges: { from: number; to: number }[], from: number, to: number): void {
  const last = ranges.at(-1);
  if (last?.to === from - 1) last.to = to;
  else if (ranges.length < most) ranges.push({ from, to });
}

/** `entries`: those of the stretch that are there, ascending. */
export function checkSegment(task: SegmentTask, entries: Iterable<StoredEntry>): SegmentResult {
  const edits: number[] = [];
  const breaks: ChainBreak[] = [];
  const holes: { from: number; to: number }[] = [];
  const pruned: { from: number; to: number }[] = [];
  const tree = new SegmentTree(task);
  let before = task.before === undefined ? [] : [task.before];
  let next = task.from;
  let count = 0;
  for (const { index, leaf, chain, text } of entries) {
    if (index > next) {
      addTo(holes, next, index - 1);
      tree.skip(index - next);
      before = [];
    }
    if (text === null) addTo(pruned, index, index);
    else if (leafHash(text) !== leaf && edits.length < most) edits.push(index);
    const [last] = before;
    if (last !== undefined && chainHash(last, leaf) !== chain && breaks.length < most)
      breaks.push({ index, leaf, chain, before: [...before] });
    tree.append(leaf);
    if (before.unshift(chain) > memory) before.pop();
    next = index + 1;
    count += 1;
  }
  if (next < task.to) {
    addTo(holes, next, task.to - 1);
    tree.skip(task.to - next);
  }
  return { edits, breaks, holes, pruned, ...tree.result(), entries: count };
}

/** The tree above the leaves of one stretch. Where leaves are missing or false, a stored root of their tile stands. */
class SegmentTree {
  readonly #task: SegmentTask;
  /** Its leaves are the roots of whole tiles. */
  readonly #whole = new CompactRange();
  #tile = new CompactRange();
  #broken = false;
  #sizes = 0;
  readonly #tiles: number[] = [];
  readonly #heads: { size: number; roots: readonly Hash[] }[] = [];

  constructor(task: SegmentTask) {
    this.#task = task;
  }

  append(leaf: Hash): void {
    this.#tile.append(leaf);
    const inTile = this.#tile.size;
    if (inTile === tileWidth) this.#close();
    const size = this.#task.from + this.#whole.size * tileWidth + (inTile === tileWidth ? 0 : inTile);
    if (size !== this.#task.sizes[this.#sizes]) return;
    this.#heads.push({ size, roots: this.#roots() });
    this.#sizes += 1;
  }

  /** So many leaves are not there. */
  skip(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#broken = true;
      this.append('');
    }
  }

  result(): { tiles: number[]; heads: { size: number; roots: readonly Hash[] }[]; roots: readonly Hash[] } {
    return { tiles: this.#tiles, heads: this.#heads, roots: this.#roots() };
  }

  #roots(): readonly Hash[] {
    return [...this.#whole.roots, ...this.#tile.roots];
  }

  #close(): void {
    const at = this.#whole.size;
    const root = this.#tile.root();
    const stored = this.#task.tiles[at];
    if (stored !== root && !this.#broken) this.#tiles.push(this.#task.from + at * tileWidth);
    this.#whole.append(stored ?? root);
    this.#tile = new CompactRange();
    this.#broken = false;
  }
}
