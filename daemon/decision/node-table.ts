// The nodes and literal edges of a trie in flat arrays. A look-up hashes the bytes of a component where they stand in the
// path, and allocates nothing; a node is four words and its name behind them, and nodes made one after another lie side
// by side, so that a chain of names costs one trip to memory. Among many rules it is such trips that a decision consists
// of: an edge is one word with six bits of its hash, so that a wrong node is hardly ever looked at. Built from
// rules only: names from outside are looked up, never inserted, and every match is confirmed byte by byte.

/** FNV-1a, a byte at a time: `hashStep(… hashStep(hashSeed, first) …, last)`. */
export const hashSeed = 0x811c9dc5 | 0;
export const hashStep = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193);

export function hashName(name: string): number {
  let hash = hashSeed;
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i));
  return hash;
}

/** Bits of the flags field. */
export const LOOPS = 1;
export const ALONE = 2;
export const EXCEPTIONS = 4;
/** There is a node after `*` or `**`, or a table of patterns. Without it `any`, `deep` and `wild` are none. */
export const BRANCHES = 8;

// Words of a node, and behind them its name, four bytes a word.
const width = 4;
/** Bits below `lengthUnit`; above them the length of the name. */
const flagsAt = 0;
const lengthUnit = 256;
const longestName = 2 ** 16 - 1;
/** The only literal child, `none`, or `many`: then the edges are in the hash table. With BRANCHES: where these are. */
const onlyAt = 1;
/** Of a node after `**`, which is nobody's literal child: the step in which it was entered last. */
const parentAt = 2;
const saidAt = 3;

// Words of the branches of a node.
const branchWidth = 4;
const anyAt = 1;
const deepAt = 2;
const wildAt = 3;

export const none = -1;
const many = -2;

/** An edge: six bits of the hash, and the child + 1 (0 = free). */
const childBits = 26;
const childMask = 2 ** childBits - 1;

export class NodeTable {
  /** A node is known by where its words begin. */
  #words = new Int32Array(64 * width);
  #bytes = new Uint8Array(this.#words.buffer);
  #length = 0;
  #branches: number[] = [];
  #loops: number[] = [];
  #edges = new Int32Array(64);
  #edgeCount = 0;
  /** A bit for every edge that is taken: most names no rule mentions end here, without a trip to the edges. */
  #taken = new Uint8Array(64 / 8);

  /** A node that no name leads to. The first one is at 0. */
  add(flags: number): number {
    const node = this.#make(flags, none, 0);
    if ((flags & LOOPS) !== 0) this.#loops.push(node);
    return node;
  }

  #make(flags: number, parent: number, nameLength: number): number {
    const node = this.#length;
    this.#length += width + ((nameLength + 3) >> 2);
    if (this.#length >= childMask) throw new RangeError(`rules name too many places (${childMask} words)`);
    while (this.#words.length < this.#length) this.#grow();
    this.#words.set([flags + nameLength * lengthUnit, none, parent, none], node);
    return node;
  }

  #grow(): void {
    this.#words = grown(this.#words);
    this.#bytes = new Uint8Array(this.#words.buffer);
  }

  flags(node: number): number {
    return this.#words[node + flagsAt]! & (lengthUnit - 1);
  }
  flag(node: number, bit: number): void {
    this.#words[node + flagsAt]! |= bit;
  }
  any(node: number): number {
    return this.#branch(node, anyAt);
  }
  setAny(node: number, child: number): void {
    this.#branches[this.#branched(node) + anyAt] = child;
  }
  /** The node after `**`. */
  deep(node: number): number {
    return this.#branch(node, deepAt);
  }
  setDeep(node: number, child: number): void {
    this.#branches[this.#branched(node) + deepAt] = child;
  }
  /** The patterns below it, as its owner numbers them. */
  wild(node: number): number {
    return this.#branch(node, wildAt);
  }
  setWild(node: number, index: number): void {
    this.#branches[this.#branched(node) + wildAt] = index;
  }
  /** What rules say of this node, as its owner numbers it. */
  said(node: number): number {
    return this.#words[node + saidAt]!;
  }
  setSaid(node: number, said: number): void {
    this.#words[node + saidAt] = said;
  }

  #branch(node: number, at: number): number {
    if ((this.#words[node + flagsAt]! & BRANCHES) === 0) return none;
    return this.#branches[this.#words[node + onlyAt]! + at]!;
  }

  /** Where the branches of the node are; it gets some when it has none. */
  #branched(node: number): number {
    if ((this.flags(node) & BRANCHES) === 0) {
      const at = this.#branches.push(this.#words[node + onlyAt]!, none, none, none) - branchWidth;
      this.#words[node + onlyAt] = at;
      this.flag(node, BRANCHES);
    }
    return this.#words[node + onlyAt]!;
  }

  #only(node: number): number {
    const only = this.#words[node + onlyAt]!;
    return (this.#words[node + flagsAt]! & BRANCHES) === 0 ? only : this.#branches[only]!;
  }

  #setOnly(node: number, child: number): void {
    if ((this.flags(node) & BRANCHES) === 0) this.#words[node + onlyAt] = child;
    else this.#branches[this.#words[node + onlyAt]!] = child;
  }

  /** False when this `**` node was entered in this step already: it can be reached twice. Steps grow from 1. */
  enterOnce(node: number, step: number): boolean {
    const at = node + parentAt;
    if (this.#words[at] === step) return false;
    this.#words[at] = step;
    return true;
  }

  /** As if nothing had been entered yet; the step to go on from. */
  forgetSteps(): number {
    for (const node of this.#loops) this.#words[node + parentAt] = 0;
    return 0;
  }

  /** The child by that name, or `none`. `hash` is hashName of `path[start, end)`. */
  literal(parent: number, hash: number, path: string, start: number, end: number): number {
    const only = this.#only(parent);
    if (only !== many) return only !== none && this.#isNamed(only, path, start, end) ? only : none;
    const edges = this.#edges;
    const last = edges.length - 1;
    const mixed = mix(parent, hash);
    const home = mixed & last;
    if ((this.#taken[home >> 3]! & (1 << (home & 7))) === 0) return none;
    for (let at = home; ; at = (at + 1) & last) {
      const edge = edges[at]!;
      if (edge === 0) return none;
      if (edge >>> childBits !== mixed >>> childBits) continue;
      const child = (edge & childMask) - 1;
      if (this.#words[child + parentAt] === parent && this.#isNamed(child, path, start, end)) return child;
    }
  }

  #isNamed(node: number, path: string, start: number, end: number): boolean {
    const length = end - start;
    if (this.#words[node + flagsAt]! >>> 8 !== length) return false;
    const bytes = this.#bytes;
    const at = (node + width) * 4;
    for (let i = 0; i < length; i++) if (bytes[at + i] !== path.charCodeAt(start + i)) return false;
    return true;
  }

  /** A literal child of `parent` under a name that it does not have yet. */
  connect(parent: number, name: string): number {
    if (name.length > longestName) throw new RangeError('a rule has a component that no file can have');
    const child = this.#make(0, parent, name.length);
    for (let i = 0; i < name.length; i++) this.#bytes[(child + width) * 4 + i] = name.charCodeAt(i);
    const only = this.#only(parent);
    if (only === none) {
      this.#setOnly(parent, child);
      return child;
    }
    if (only !== many) {
      this.#setOnly(parent, many);
      this.#place(only);
    }
    this.#place(child);
    return child;
  }

  #hashOf(node: number): number {
    const at = (node + width) * 4;
    const end = at + (this.#words[node + flagsAt]! >>> 8);
    let hash = hashSeed;
    for (let i = at; i < end; i++) hash = hashStep(hash, this.#bytes[i]!);
    return hash;
  }

  #place(child: number): void {
    if (++this.#edgeCount * 2 > this.#edges.length) this.#rehash();
    this.#put(child);
  }

  #put(child: number): void {
    const edges = this.#edges;
    const last = edges.length - 1;
    const mixed = mix(this.#words[child + parentAt]!, this.#hashOf(child));
    let at = mixed & last;
    while (edges[at] !== 0) at = (at + 1) & last;
    edges[at] = (mixed & ~childMask) | (child + 1);
    this.#taken[at >> 3]! |= 1 << (at & 7);
  }

  #rehash(): void {
    const old = this.#edges;
    this.#edges = new Int32Array(old.length * 2);
    this.#taken = new Uint8Array(this.#taken.length * 2);
    for (const edge of old) if (edge !== 0) this.#put((edge & childMask) - 1);
  }
}

function grown(old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(old.length * 2);
  larger.set(old);
  return larger;
}

function mix(parent: number, hash: number): number {
  const mixed = Math.imul(hash ^ Math.imul(parent + 1, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
