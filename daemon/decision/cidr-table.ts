// Address ranges by prefix length: a look-up masks the address once for every length in use (at most 33 and 129),
// longest first. Cost does not grow with the number of ranges.
import { maskWords } from './address.ts';
import type { Address, Cidr } from './address.ts';
import { PortTable } from './port-table.ts';
import type { SharedTables } from './shared-tables.ts';

interface Band {
  readonly prefix: number;
  readonly ranges: Map<string, PortTable>;
}

const keyOf = (words: readonly number[]): string => String.fromCharCode(...words);

export class CidrTable {
  readonly #bands: Record<4 | 6, Band[]> = { 4: [], 6: [] };

  table(cidr: Cidr): PortTable {
    const bands = this.#bands[cidr.address.version];
    let band = bands.find((each) => each.prefix === cidr.prefix);
    if (!band) {
      band = { prefix: cidr.prefix, ranges: new Map() };
      bands.push(band);
      bands.sort((a, b) => b.prefix - a.prefix);
    }
    const key = keyOf(cidr.address.words);
    let table = band.ranges.get(key);
    if (!table) band.ranges.set(key, (table = new PortTable()));
    return table;
  }

  /** Ranges of which the same is said share it. */
  settle(shared: SharedTables): void {
    for (const { ranges } of [...this.#bands[4], ...this.#bands[6]])
      for (const [key, table] of ranges) ranges.set(key, shared.one(table));
  }

  /** Tables of the ranges that hold the address and are at least `shortest` bits long, longest first. */
  lookup(address: Address, shortest = 0): PortTable[] {
    const found: PortTable[] = [];
    for (const band of this.#bands[address.version]) {
      if (band.prefix < shortest) break;
      const table = band.ranges.get(keyOf(maskWords(address.words, band.prefix)));
      if (table) found.push(table);
    }
    return found;
  }
}
