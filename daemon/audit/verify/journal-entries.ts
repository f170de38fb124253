// The entries of one journal in the order of their numbers, as that journal mostly has them: read by pages, and let go of
// once they were found in it.
import type { Database, Statement } from '../database.ts';
import { storedColumns } from '../stored-events.ts';
import type { StoredRow } from '../stored-events.ts';

type Row = [...StoredRow, position: number, part: 0 | 1];

/** One that was not found in the journal yet. */
export interface OpenEntry {
  readonly row: StoredRow;
  readonly position: number;
  readonly part: 0 | 1;
  /** Of the first record with this number; undefined while none came. */
  first: { readonly offset: number } | undefined;
  /** What differed the last time. */
  differs: string;
}

/** A set of numbers, a bit each: whoever changed the database may have put any number there. */
class Numbers {
  readonly #bits = new Map<number, Uint8Array>();

  add(number: number): void {
    const [group, byte, bit] = placeOf(number);
    let bits = this.#bits.get(group);
    if (bits === undefined) this.#bits.set(group, (bits = new Uint8Array(groupBytes)));
    bits[byte] = (bits[byte] ?? 0) | bit;
  }

  has(number: number): boolean {
    const [group, byte, bit] = placeOf(number);
    return ((this.#bits.get(group)?.[byte] ?? 0) & bit) !== 0;
  }
}

const groupBytes = 1024;
const placeOf = (number: number): [group: number, byte: number, bit: number] => {
  const within = number % (groupBytes * 8);
  return [Math.floor(number / (groupBytes * 8)), within >> 3, 1 << (within & 7)];
};

const pageSize = 1000;

export class JournalEntries {
  readonly #stream: string;
  /** Entries behind this position came later. */
  readonly #last: number;
  readonly #page: Statement<[string, number, number, number], Row>;
  readonly #open = new Map<number, OpenEntry[]>();
  readonly #there = new Numbers();
  /** Entries up to this one were read. */
  #seq = -Infinity;
  #part = 0;
  #more = true;

  constructor(db: Database, stream: string, last: number) {
    this.#stream = stream;
    this.#last = last;
    this.#page = db
      .prepare<[string, number, number, number], Row>(
        `SELECT ${storedColumns(db)}, position, part FROM entries
          WHERE stream = ? AND (seq, part) > (?, ?) ORDER BY seq, part LIMIT ?`,
      )
      .raw();
  }

  /** Those with this number that were not found yet. */
  open(seq: number): readonly OpenEntry[] {
    while (this.#more && seq >= this.#seq) this.#read();
    return this.#open.get(seq) ?? [];
  }

  /** After `open`: the log has an entry with this number. */
  has(seq: number): boolean {
    return this.#there.has(seq);
  }

  found(seq: number, entry: OpenEntry): void {
    const left = this.#open.get(seq)?.filter((each) => each !== entry) ?? [];
    if (left.length === 0) this.#open.delete(seq);
    else this.#open.set(seq, left);
  }

  /** All that were not found, in the order of the log. */
  left(): OpenEntry[] {
    while (this.#more) this.#read();
    return [...this.#open.values()].flat().sort((a, b) => a.position - b.position);
  }

  #read(): void {
    const rows = this.#page.all(this.#stream, this.#seq, this.#part, pageSize);
    for (const row of rows) {
      const [, seq, , , , position, part] = row;
      if (position > this.#last) continue;
      const entry = { row: row as unknown as StoredRow, position, part, first: undefined, differs: '' };
      this.#there.add(seq);
      const others = this.#open.get(seq);
      if (others === undefined) this.#open.set(seq, [entry]);
      else others.push(entry);
    }
    const end = rows.at(-1);
    if (end === undefined) this.#more = false;
    else [this.#seq, this.#part] = [end[1], end[6]];
  }
}
