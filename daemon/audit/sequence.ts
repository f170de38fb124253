// Which numbers of a journal have come. Several threads write one journal: numbers may come a little out of order, so
// one is missing only when many later ones have come, or when the journal has ended.

/** Later records after which a number will not come any more. */
export const patience = 1000;

export class Sequence {
  #highest: number;
  readonly #missing: Set<number>;

  /** `recent`: the numbers already taken in among the last `patience` up to `highest`. */
  constructor(highest = 0, recent: readonly number[] = []) {
    this.#highest = highest;
    const seen = new Set(recent);
    const from = Math.max(1, highest - patience + 1);
    this.#missing = new Set();
    for (let seq = from; seq <= highest; seq++) if (!seen.has(seq)) this.#missing.add(seq);
  }

  get highest(): number {
    return this.#highest;
  }

  copy(): Sequence {
    const copy = new Sequence();
    copy.#highest = this.#highest;
    for (const seq of this.#missing) copy.#missing.add(seq);
    return copy;
  }

  take(seq: number): void {
    this.#missing.delete(seq);
    // A leap is told as one hole; the numbers in between are waited for only as far as patience goes.
    for (let gap = Math.max(this.#highest + 1, seq - patience); gap < seq; gap++) this.#missing.add(gap);
    this.#highest = Math.max(this.#highest, seq);
  }

  /** Numbers given up, ascending; each is told once. `final`: nothing more will come. */
  lost(final: boolean): number[] {
    const lost = [...this.#missing].filter((seq) => final || seq <= this.#highest - patience);
    for (const seq of lost) this.#missing.delete(seq);
    return lost.sort((a, b) => a - b);
  }
}
