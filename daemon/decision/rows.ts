// What rules say of each node, gathered while a trie is built, then laid into one list in which equal rows are one: the
// patterns of one rule share theirs, so that few of them are read over and over.
import type { Judgement } from './judgement.ts';

type Row = (Judgement | undefined)[];

/** A row is known by its number: where it is in the list in units of its width, and in the ranks. */
export interface Said {
  readonly list: readonly (Judgement | undefined)[];
  readonly ranks: readonly number[];
}

interface Ranked {
  readonly row: Row;
  readonly rank: number;
}

export class Rows {
  readonly #width: number;
  readonly #below = new Map<number, Ranked>();
  readonly #alone = new Map<number, Ranked>();

  constructor(width: number) {
    this.#width = width;
  }

  /** The row of a node, to be filled in; `alone` for what is said of the object alone, which is of one rank more. */
  of(node: number, rank: number, alone: boolean): Row {
    const rows = alone ? this.#alone : this.#below;
    let ranked = rows.get(node);
    if (!ranked) {
      const row = Array.from<undefined>({ length: this.#width });
      rows.set(node, (ranked = { row, rank: alone ? rank + 1 : rank }));
    }
    return ranked.row;
  }

  /** Tells the number of each node's row. */
  intern(place: (node: number, said: number) => void, alone: Map<number, number>): Said {
    const list: Row = [];
    const ranks: number[] = [];
    const numbers = new Map<Judgement, number>();
    const known = new Map<string, number>();
    const numberOf = (judgement: Judgement | undefined): number => {
      if (!judgement) return 0;
      if (!numbers.has(judgement)) numbers.set(judgement, numbers.size + 1);
      return numbers.get(judgement)!;
    };
    const said = ({ row, rank }: Ranked): number => {
      const key = `${rank} ${row.map(numberOf).join()}`;
      let number = known.get(key);
      if (number === undefined) {
        known.set(key, (number = ranks.push(rank) - 1));
        list.push(...row);
      }
      return number;
    };
    for (const [node, ranked] of this.#below) place(node, said(ranked));
    for (const [node, ranked] of this.#alone) alone.set(node, said(ranked));
    return { list, ranks };
  }
}
