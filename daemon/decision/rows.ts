// What rules say of each node, gathered while a trie is built, then laid into one list in which equal rows are one: the
// patterns of one rule share theirs, so that few of them are read over and over.
import type { Judgement } from './judgement.ts';

export type Row = (Judgement | undefined)[];

export class Rows {
  readonly #width: number;
  readonly #below = new Map<number, Row>();
  readonly #alone = new Map<number, Row>();

  constructor(width: number) {
    this.#width = width;
  }

  /** The row of a node, to be filled in; `alone` for what is said of the object alone. */
  of(node: number, alone: boolean): Row {
    const rows = alone ? this.#alone : this.#below;
    let row = rows.get(node);
    if (!row) rows.set(node, (row = Array.from<undefined>({ length: this.#width })));
    return row;
  }

  /** The list; tells where each row begins. */
  intern(place: (node: number, at: number) => void, alone: Map<number, number>): Row {
    const list: Row = [];
    const numbers = new Map<Judgement, number>();
    const known = new Map<string, number>();
    const numberOf = (judgement: Judgement | undefined): number => {
      if (!judgement) return 0;
      if (!numbers.has(judgement)) numbers.set(judgement, numbers.size + 1);
      return numbers.get(judgement)!;
    };
    const offsetOf = (row: Row): number => {
      const key = row.map(numberOf).join();
      let at = known.get(key);
      if (at === undefined) known.set(key, (at = list.push(...row) - row.length));
      return at;
    };
    for (const [node, row] of this.#below) place(node, offsetOf(row));
    for (const [node, row] of this.#alone) alone.set(node, offsetOf(row));
    return list;
  }
}
