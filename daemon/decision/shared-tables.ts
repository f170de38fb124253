// Tables of ports that say the same are one: of a hundred thousand hosts, nearly all have one of a few.
import type { Judgement } from './judgement.ts';
import type { PortTable } from './port-table.ts';

export class SharedTables {
  readonly #judgements = new Map<Judgement, number>();
  readonly #tables = new Map<string, PortTable>();
  readonly #numbers = new Map<PortTable, number>();

  /** The one that stands for all that are equal to this. */
  one(table: PortTable): PortTable {
    const key = table.text((judgement) => numberIn(this.#judgements, judgement));
    const known = this.#tables.get(key);
    if (known) return known;
    this.#tables.set(key, table);
    return table;
  }

  number(table: PortTable): number {
    return numberIn(this.#numbers, table);
  }
}

function numberIn<Key>(numbers: Map<Key, number>, key: Key): number {
  let number = numbers.get(key);
  if (number === undefined) numbers.set(key, (number = numbers.size + 1));
  return number;
}
