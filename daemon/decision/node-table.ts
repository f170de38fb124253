// The nodes and literal edges of a path trie in flat arrays. A look-up hashes the bytes of a component where they
// stand in the path, and allocates nothing; nodes made one after another lie side by side, so that a chain of names
// costs one trip to memory. Among many rules it is such trips that a decision consists of: an edge is one word with eight
// bits of its hash, so that the table is small and a wrong node is hardly ever looked at. The tables are built from rules
// only: names from outside are looked up, never inserted, and every match is confirmed byte by byte.

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
export const WILD = 2;
export const ALONE = 4;
export const EXCEPTIONS = 8;

// Fields of a node: half a cache line.
const width = 8;
/** Bits below `lengthUnit`; above them the length of the name. */
const flagsAt = 0;
const lengthUnit = 256;
/** The only literal child, `none`, or `many`: then the edges are in the hash table. */
const onlyAt = 1;
const nameAt = 2;
const parentAt = 3;
const anyAt = 4;
const deepAt = 5;
const rankAt = 6;
const saidAt = 7;

export const none = -1;
const many = -2;

/** An edge: eight bits of the hash, and the child + 1 (0 = free). */
const childBits = 24;
const childMask = 2 ** childBits - 1;

export class NodeTable {
  #fields = new Int32Array(64 * width);
  #count = 0;
  #names = new Uint8Array(1024);
  #namesLength = 0;
  #edges = new Int32Array(64);
  #edgeCount = 0;
  /** A bit for every edge that is taken: most names no rule mentions end here, without a trip to the edges. */
  #taken = new Uint8Array(64 / 8);

  add(rank: number, flags: number): number {
    const node = this.#count++;
    if (node >= childMask) throw new RangeError(`rules of files name more than ${childMask} places`);
    if (this.#fields.length < this.#count * width) this.#fields = grown(this.#fields);
    this.#fields.set([flags, none, 0, 0, none, none, rank, none], node * width);
    return node;
  }

  flags(node: number): number {
    return this.#fields[node * width + flagsAt]! & (lengthUnit - 1);
  }
  flag(node: number, bit: number): void {
    this.#fields[node * width + flagsAt]! |= bit;
  }
  rank(node: number): number {
    return this.#fields[node * width + rankAt]!;
  }
  any(node: number): number {
    return this.#fields[node * width + anyAt]!;
  }
  setAny(node: number, child: number): void {
    this.#fields[node * width + anyAt] = child;
  }
  /** The node after `**`. */
  deep(node: number): number {
    return this.#fields[node * width + deepAt]!;
  }
  setDeep(node: number, child: number): void {
    this.#fields[node * width + deepAt] = child;
  }
  /** Where what rules say of this node begins in the owner's list. */
  said(node: number): number {
    return this.#fields[node * width + saidAt]!;
  }
  setSaid(node: number, index: number): void {
    this.#fields[node * width + saidAt] = index;
  }
  /** False when this `**` node was entered in this step already: it can be reached twice. Steps grow from 1. */
  enterOnce(node: number, step: number): boolean {
    // A node after `**` is nobody's literal child: the field of the name is free.
    const at = node * width + nameAt;
    if (this.#fields[at] === step) return false;
    this.#fields[at] = step;
    return true;
  }

  /** As if nothing had been entered yet; the step to go on from. */
  forgetSteps(): number {
    for (let node = 0; node < this.#count; node++) {
      if ((this.flags(node) & LOOPS) !== 0) this.#fields[node * width + nameAt] = 0;
    }
    return 0;
  }

  /** The child by that name, or `none`. `hash` is hashName of `path[start, end)`. */
  literal(parent: number, hash: number, path: string, start: number, end: number): number {
    const only = this.#fields[parent * width + onlyAt]!;
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
      if (this.#fields[child * width + parentAt] === parent && this.#isNamed(child, path, start, end))
        return child;
    }
  }

  #isNamed(node: number, path: string, start: number, end: number): boolean {
    const length = end - start;
    if (this.#lengthOf(node) !== length) return false;
    const names = this.#names;
    const at = this.#fields[node * width + nameAt]!;
    for (let i = 0; i < length; i++) if (names[at + i] !== path.charCodeAt(start + i)) return false;
    return true;
  }

  #lengthOf(node: number): number {
    return Math.floor(this.#fields[node * width + flagsAt]! / lengthUnit);
  }

  /** Makes `child` the literal child of `parent` under a name that it does not have yet. */
  connect(parent: number, name: string, child: number): void {
    this.#name(child, name);
    this.#fields[child * width + parentAt] = parent;
    const only = this.#fields[parent * width + onlyAt]!;
    if (only === none) {
      this.#fields[parent * width + onlyAt] = child;
      return;
    }
    if (only !== many) {
      this.#fields[parent * width + onlyAt] = many;
      this.#place(only);
    }
    this.#place(child);
  }

  #name(node: number, name: string): void {
    while (this.#names.length < this.#namesLength + name.length) this.#names = grown(this.#names);
    for (let i = 0; i < name.length; i++) this.#names[this.#namesLength + i] = name.charCodeAt(i);
    this.#fields[node * width + nameAt] = this.#namesLength;
    this.#fields[node * width + flagsAt]! += name.length * lengthUnit;
    this.#namesLength += name.length;
  }

  #hashOf(node: number): number {
    const at = this.#fields[node * width + nameAt]!;
    const end = at + this.#lengthOf(node);
    let hash = hashSeed;
    for (let i = at; i < end; i++) hash = hashStep(hash, this.#names[i]!);
    return hash;
  }

  #place(child: number): void {
    if (++this.#edgeCount * 2 > this.#edges.length) this.#rehash();
    this.#put(child);
  }

  #put(child: number): void {
    const edges = this.#edges;
    const last = edges.length - 1;
    const mixed = mix(this.#fields[child * width + parentAt]!, this.#hashOf(child));
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

function grown<T extends Int32Array | Uint8Array>(old: T): T {
  const larger = (
    old instanceof Int32Array ? new Int32Array(old.length * 2) : new Uint8Array(old.length * 2)
  ) as T;
  larger.set(old);
  return larger;
}

function mix(parent: number, hash: number): number {
  const mixed = Math.imul(hash ^ Math.imul(parent + 1, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
