// Which entries of the segment that grows have which terms: an open-addressed table in flat memory, because every
// entry adds some ten terms. Offsets of a term are a list through one array, from the last back round to the first.
import type { Term } from '../ocsf/mod.ts';

const leastSlots = 4096;

/** A hash's low bits are as good as any. */
const placeOf = (term: Term, slots: number): number => (term | 0) & (slots - 1);

export class TermTable {
  #terms = new Float64Array(leastSlots);
  /** How many offsets a slot's term has; 0: the slot is free. */
  #counts = new Uint16Array(leastSlots);
  /** Of a slot's term: its last offset, as an index into the two below. */
  #last = new Int32Array(leastSlots);
  #offsets = new Uint16Array(leastSlots);
  /** Index of the next offset of the same term; of the last, of its first. */
  #next = new Int32Array(leastSlots);
  #used = 0;
  #size = 0;

  /** Terms in it. */
  get size(): number {
    return this.#size;
  }

  /** Offsets of a term come in ascending order; the same again is passed over. */
  add(term: Term, offset: number): void {
    const slot = this.#slotOf(term);
    const count = this.#counts[slot] ?? 0;
    const last = this.#last[slot] ?? 0;
    if (count > 0 && this.#offsets[last] === offset) return;
    if (this.#used === this.#offsets.length) this.#lengthen();
    const at = this.#used;
    this.#used += 1;
    this.#offsets[at] = offset;
    this.#next[at] = count === 0 ? at : (this.#next[last] ?? 0);
    if (count > 0) this.#next[last] = at;
    this.#last[slot] = at;
    this.#counts[slot] = count + 1;
    if (count === 0) this.#taken(slot, term);
  }

  /** How many entries have the term. */
  count(term: Term): number {
    return this.#counts[this.#slotOf(term)] ?? 0;
  }

  /** Calls with each offset of the term, ascending. */
  each(term: Term, take: (offset: number) => void): void {
    const slot = this.#slotOf(term);
    let at = this.#last[slot] ?? 0;
    for (let left = this.#counts[slot] ?? 0; left > 0; left--) {
      at = this.#next[at] ?? 0;
      take(this.#offsets[at] ?? 0);
    }
  }

  /** All terms, ascending. */
  sorted(): Float64Array {
    const all = new Float64Array(this.#size);
    let found = 0;
    for (let slot = 0; slot < this.#terms.length; slot++)
      if (this.#counts[slot] !== 0) {
        all[found] = this.#terms[slot] ?? 0;
        found += 1;
      }
    return all.sort();
  }

  /** Where the term is, or would be put. */
  #slotOf(term: Term): number {
    const slots = this.#terms.length;
    let slot = placeOf(term, slots);
    while (this.#counts[slot] !== 0 && this.#terms[slot] !== term) slot = (slot + 1) & (slots - 1);
    return slot;
  }

  #taken(slot: number, term: Term): void {
    this.#terms[slot] = term;
    this.#size += 1;
    if (this.#size * 2 > this.#terms.length) this.#widen();
  }

  #lengthen(): void {
    const [offsets, next] = [this.#offsets, this.#next];
    this.#offsets = new Uint16Array(offsets.length * 2);
    this.#offsets.set(offsets);
    this.#next = new Int32Array(next.length * 2);
    this.#next.set(next);
  }

  #widen(): void {
    const [terms, counts, last] = [this.#terms, this.#counts, this.#last];
    const slots = terms.length * 2;
    this.#terms = new Float64Array(slots);
    this.#counts = new Uint16Array(slots);
    this.#last = new Int32Array(slots);
    terms.forEach((term, from) => {
      if (counts[from] === 0) return;
      const slot = this.#slotOf(term);
      this.#terms[slot] = term;
      this.#counts[slot] = counts[from] ?? 0;
      this.#last[slot] = last[from] ?? 0;
    });
  }
}
