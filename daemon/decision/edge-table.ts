// The literal edges of a path trie in one open-addressing table: (node, component) → node. A look-up hashes the bytes
// of the component where they stand in the path, so that a decision allocates nothing. The table is built from rules
// only; names from outside are looked up, never inserted, and a chain is at most as long as the rules made it.

const fnvOffset = 0x811c9dc5 | 0;
const fnvPrime = 0x01000193;

/** FNV-1a over `text[start, end)`. */
export function hashRange(text: string, start: number, end: number): number {
  let hash = fnvOffset;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), fnvPrime);
  return hash;
}

export class EdgeTable {
  #slots = new Int32Array(64).fill(-1);
  readonly #parents: number[] = [];
  readonly #children: number[] = [];
  readonly #hashes: number[] = [];
  readonly #names: string[] = [];

  /** The child, or -1. `hash` is hashRange of the same range. */
  find(parent: number, hash: number, text: string, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = mix(parent, hash) & mask; ; slot = (slot + 1) & mask) {
      const edge = this.#slots[slot]!;
      if (edge < 0) return -1;
      if (this.#hashes[edge] === hash && this.#parents[edge] === parent) {
        const name = this.#names[edge]!;
        if (name.length === end - start && text.startsWith(name, start)) return this.#children[edge]!;
      }
    }
  }

  add(parent: number, name: string, child: number): void {
    const edge = this.#names.length;
    this.#parents.push(parent);
    this.#children.push(child);
    this.#hashes.push(hashRange(name, 0, name.length));
    this.#names.push(name);
    if (edge * 2 >= this.#slots.length) this.#grow();
    else this.#place(edge);
  }

  #place(edge: number): void {
    const mask = this.#slots.length - 1;
    let slot = mix(this.#parents[edge]!, this.#hashes[edge]!) & mask;
    while (this.#slots[slot]! >= 0) slot = (slot + 1) & mask;
    this.#slots[slot] = edge;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let edge = 0; edge < this.#names.length; edge++) this.#place(edge);
  }
}

function mix(parent: number, hash: number): number {
  const mixed = Math.imul(hash ^ Math.imul(parent + 1, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
