// The templates that entries are stored with, written in the transaction of the first entry that needs one. Each is of
// one segment of the log: when the entries of a segment go, so do their templates.
import type { EventTemplate } from '../ocsf/mod.ts';
import type { Database, Statement } from './database.ts';
import { segmentSize } from './offsets.ts';

/** More than a segment has entries. */
const idsOfSegment = 65_536;
/** Templates that are remembered; when there are more, all are forgotten. */
const most = 2048;

const segmentOf = (position: number): number => Math.floor(position / segmentSize);

export class Templates {
  readonly #insert: Statement<[number, string]>;
  readonly #last: Statement<[number, number], number | null>;
  readonly #drop: Statement<[number, number, number, number]>;
  /** Of this segment: the id; 0 for one that was seen once. */
  readonly #known = new Map<EventTemplate, number>();
  #segment = -1;
  #next = 0;

  constructor(db: Database) {
    this.#insert = db.prepare('INSERT INTO templates (id, pieces) VALUES (?, ?)');
    this.#last = db
      .prepare<[number, number], number | null>('SELECT max(id) FROM templates WHERE id > ? AND id < ?')
      .pluck();
    this.#drop = db.prepare(
      `DELETE FROM templates WHERE id > ? AND id < ? AND id NOT IN
        (SELECT template FROM entries WHERE position >= ? AND position < ? AND template IS NOT NULL)`,
    );
  }

  /**
   * Within the transaction that inserts the entry: what it is stored with. Undefined for the first entry of a segment
   * that could be, which is stored whole: it may be the only one.
   */
  idFor(template: EventTemplate, position: number): number | undefined {
    const segment = segmentOf(position);
    if (segment !== this.#segment) this.#begin(segment);
    const id = this.#known.get(template);
    if (id !== undefined && id > 0) return id;
    // Transactions that failed used up its ids: those behind are another segment's, and go with that.
    if (this.#next >= (segment + 1) * idsOfSegment) return undefined;
    if (id === undefined && this.#known.size >= most) this.#known.clear();
    this.#known.set(template, id === undefined ? 0 : this.#keep(template));
    return id === undefined ? undefined : this.#next - 1;
  }

  /** After a transaction that failed: what it wrote is not there. No id comes again, so that readers may remember them. */
  forget(): void {
    this.#known.clear();
  }

  /** Within the transaction that took out the events at these positions: what none of the others needs goes too. */
  drop(positions: readonly number[]): void {
    for (const segment of new Set(positions.map(segmentOf))) {
      const [ids, from] = [segment * idsOfSegment, segment * segmentSize];
      this.#drop.run(ids, ids + idsOfSegment, from, from + segmentSize);
    }
    this.forget();
  }

  #begin(segment: number): void {
    this.#known.clear();
    this.#segment = segment;
    const first = segment * idsOfSegment;
    this.#next = (this.#last.get(first, first + idsOfSegment) ?? first) + 1;
  }

  #keep(template: EventTemplate): number {
    const id = this.#next;
    this.#insert.run(id, JSON.stringify(template.pieces));
    this.#next = id + 1;
    return id;
  }
}
