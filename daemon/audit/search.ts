// Looks for records in the log, newest first, in steps that are short however much there is to look through.
import { matches, recordOf, termsOf, termsOfFilter } from '../ocsf/mod.ts';
import type { RecordFilter } from '../ocsf/mod.ts';
import type { SessionRecord } from '../model/mod.ts';
import type { Database, Statement } from './database.ts';
import type { EntriesTable, KeptRecord } from './entries-table.ts';
import { segmentSize } from './offsets.ts';
import { positionsOf } from './segments.ts';
import type { Indexed, Segment, Segments } from './segments.ts';
import { storedColumns, StoredEvents } from './stored-events.ts';
import type { StoredEvent } from './stored-events.ts';

export interface SearchRequest extends RecordFilter {
  /** Unix ms; `since` included, `until` not. */
  readonly since?: number;
  readonly until?: number;
  /** Only what was recorded before this position: where an earlier answer ended. */
  readonly before?: number;
  /** Undefined: of all sessions. */
  readonly subjects?: ReadonlySet<string>;
}

/** Entries that are looked at, and segments, in one step. */
const rowsAStep = 200;
const segmentsAStep = 200;
const rowsOfCatchUp = 1_000;

/** The last millisecond of a Date. */
const maxTime = 8_640_000_000_000_000;

interface Row extends StoredEvent {
  readonly position: number;
  readonly part: number;
}

export class Search {
  readonly #segments: Segments;
  readonly #table: EntriesTable;
  readonly #events: StoredEvents;
  readonly #rows: Statement<[number, number], Row>;
  readonly #times: Statement<[number, number, number, number], number>;
  readonly #ends: readonly [Statement<[string], number>, Statement<[string], number>];

  constructor(db: Database, segments: Segments, table: EntriesTable) {
    this.#segments = segments;
    this.#table = table;
    this.#events = new StoredEvents(db);
    this.#rows = db.prepare(
      `SELECT position, part, ${storedColumns(db)} FROM entries WHERE position >= ? ORDER BY position LIMIT ?`,
    );
    this.#times = db
      .prepare<[number, number, number, number], number>(
        'SELECT position FROM entries INDEXED BY entries_by_time WHERE time >= ? AND time < ? AND position >= ? AND position < ?',
      )
      .pluck();
    const end = (order: string): Statement<[string], number> =>
      db
        .prepare<[string], number>(
          `SELECT position FROM entries WHERE subject = ? ORDER BY position ${order} LIMIT 1`,
        )
        .pluck();
    this.#ends = [end('ASC'), end('DESC')];
  }

  /**
   * One step of taking into the index what is in the log and not in it: after a restart, or when segments could not be
   * written. True when more is to be done.
   */
  catchUp(): boolean {
    const rows = this.#rows.all(this.#segments.next, rowsOfCatchUp);
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) return false;
    this.#segments.skipTo(first.position);
    this.#segments.take(rows.map((row) => indexed(row, this.#events.text(row))));
    return rows.length === rowsOfCatchUp || this.#segments.next <= last.position;
  }

  /** One short step of making what is rare quicker to find, once all is in the index. True when more is to be done. */
  group(): boolean {
    return this.#segments.group();
  }

  /** Yields after every step what it found, newest first: often nothing. The caller lets others have their turn. */
  *find(request: SearchRequest): Generator<readonly KeptRecord[], void> {
    const { since = -Infinity, until = Infinity, before = Infinity } = request;
    const terms = termsOfFilter(request);
    const [first, last] = this.#span(request.session);
    const mayHave = this.#segments.asked(terms);
    let looked = 0;
    for (const segment of this.#segments.all()) {
      const { number, earliest, latest } = segment;
      looked += 1;
      if (looked % segmentsAStep === 0) yield [];
      if (latest < since || earliest >= until) continue;
      if ((number + 1) * segmentSize <= first || number * segmentSize > last) continue;
      if (!mayHave(number)) continue;
      const offsets = this.#segments.having(number, terms);
      if (offsets === undefined) continue;
      const timely = earliest >= since && latest < until ? undefined : this.#between(segment, since, until);
      const positions = positionsOf(number, offsets).filter(
        (position) => position < before && timely?.has(position) !== false,
      );
      for (let at = 0; at < positions.length; at += rowsAStep)
        yield this.#read(positions.slice(at, at + rowsAStep), request);
    }
  }

  /** Positions between which all of a session is: most segments need no look. */
  #span(session: string | undefined): readonly [number, number] {
    if (session === undefined) return [0, Infinity];
    const [first, last] = this.#ends;
    return [first.get(session) ?? Infinity, last.get(session) ?? -Infinity];
  }

  /** Entries of a segment that only partly lies in this time. */
  #between({ number, earliest, latest }: Segment, since: number, until: number): ReadonlySet<number> {
    const from = number * segmentSize;
    const last = until > latest ? maxTime : until;
    return new Set(this.#times.all(Math.max(since, earliest), last, from, from + segmentSize));
  }

  #read(positions: readonly number[], request: SearchRequest): KeptRecord[] {
    const { since = -Infinity, until = Infinity, subjects } = request;
    return this.#table.at(positions).filter(
      ({ time, subject, json }) =>
        time >= since &&
        time < until &&
        (subjects === undefined || subjects.has(subject)) &&
        // Terms are hashes: what they find is asked.
        matches(JSON.parse(json) as SessionRecord, request),
    );
  }
}

/** An outcome that came later is found with its record; what was pruned, or is no event, is not found. */
function indexed({ position, part, time }: Row, event: string | null): Indexed {
  if (part !== 0 || event === null) return { position, time, terms: [] };
  try {
    return { position, time, terms: termsOf(recordOf(event)) };
  } catch {
    return { position, time, terms: [] };
  }
}
