// Questions about the entries of the log, answered with records: by session, time and disposition.
import type { SessionRecord } from '../model/mod.ts';
import { recordOf } from '../ocsf/mod.ts';
import type { Database, Statement } from './database.ts';
import { isDenial } from './log.ts';
import { StoredEvents } from './stored-events.ts';
import type { StoredEvent } from './stored-events.ts';

/** A record as readers get it, with its outcome when that is known. */
export interface KeptRecord {
  readonly position: number;
  /** Session it is about; 'daemon' when about none. */
  readonly subject: string;
  readonly denied: boolean;
  readonly time: number;
  /** SessionRecord. */
  readonly json: string;
}

export interface RecordsQuery {
  /** Undefined: of all sessions. */
  readonly subjects?: readonly string[];
  /** Unix ms. */
  readonly since?: number;
  readonly deniedOnly?: boolean;
  /** The latest so many; they come oldest first. */
  readonly limit: number;
}

interface Row extends StoredEvent {
  readonly position: number;
  readonly subject: string;
  readonly disposition: string;
  /** Event of the outcome that came later, which says all that the first did. */
  readonly outcome: string | null;
}

/** What is stored and is no event was changed by somebody: readers are told, and go on. */
function jsonOf(event: string, { stream, seq }: { readonly stream: string; readonly seq: number }): string {
  try {
    return JSON.stringify(recordOf(event));
  } catch {
    const record: SessionRecord = {
      id: `${stream}-${seq}`,
      session: stream,
      seq,
      time: 0,
      kind: 'log',
      operation: 'unreadable',
      object: `${stream}-${seq}`,
      disposition: 'observed',
      mode: 'enforce',
      generation: 0,
      layer: 'daemon',
      reason: 'this entry of the log is damaged or was changed: cordon audit verify says more',
    };
    return JSON.stringify(record);
  }
}

type Filter = Omit<RecordsQuery, 'limit'>;

function conditions({ subjects, deniedOnly = false }: Filter): string {
  const where = ['e.part = 0', 'e.event IS NOT NULL', 'e.time >= :since'];
  if (subjects?.length === 1) where.push('e.subject = :subject');
  else if (subjects !== undefined) where.push('e.subject IN (SELECT value FROM json_each(:subjects))');
  if (deniedOnly) where.push(`e.disposition IN ('denied', 'would-deny')`);
  return where.join(' AND ');
}

const parameters = ({ subjects = [], since = 0 }: Filter): Record<string, unknown> =>
  subjects.length === 1 ? { since, subject: subjects[0] } : { since, subjects: JSON.stringify(subjects) };

const completed = `e.position, e.stream, e.seq, e.subject, e.disposition, e.time, e.event, e.template, o.event AS outcome
  FROM entries e LEFT JOIN entries o ON o.stream = e.stream AND o.seq = e.seq AND o.part = 1`;

export class EntriesTable {
  readonly #db: Database;
  readonly #events: StoredEvents;
  readonly #known: Statement<[string, number], { part: number; settled: number }>;

  constructor(db: Database) {
    this.#db = db;
    this.#events = new StoredEvents(db);
    this.#known = db.prepare('SELECT part, settled FROM entries WHERE stream = ? AND seq = ?');
  }

  /** Whether the log has this number of the stream, and whether with its outcome. */
  state(stream: string, seq: number): 'absent' | 'open' | 'settled' {
    const rows = this.#known.all(stream, seq);
    if (rows.length === 0) return 'absent';
    return rows.some(({ settled }) => settled === 1) ? 'settled' : 'open';
  }

  /** Numbers of the stream from `from` on. */
  seqsFrom(stream: string, from: number): number[] {
    const sql = 'SELECT seq FROM entries WHERE stream = ? AND seq >= ? AND part = 0';
    return this.#db.prepare<[string, number], number>(sql).pluck().all(stream, from);
  }

  lastSeq(stream: string): number {
    const sql = 'SELECT max(seq) FROM entries WHERE stream = ?';
    return this.#db.prepare<[string], number | null>(sql).pluck().get(stream) ?? 0;
  }

  byId(stream: string, seq: number): KeptRecord | undefined {
    const sql = `SELECT ${completed} WHERE e.stream = ? AND e.seq = ? AND e.part = 0 AND e.event IS NOT NULL`;
    const row = this.#db.prepare<[string, number], Row>(sql).get(stream, seq);
    return row === undefined ? undefined : this.#kept(row);
  }

  /** Those of these positions that are there and not pruned, newest first. */
  at(positions: readonly number[]): KeptRecord[] {
    const sql = `SELECT ${completed} WHERE e.position IN (SELECT value FROM json_each(?))
      AND e.part = 0 AND e.event IS NOT NULL ORDER BY e.position DESC`;
    return this.#db.prepare<[string], Row>(sql).all(JSON.stringify(positions)).map(this.#kept);
  }

  /** Position of the first record of the answer: the oldest of the latest `limit` that match. */
  first({ limit, ...filter }: RecordsQuery): number | undefined {
    const sql = `SELECT min(position) FROM
      (SELECT e.position FROM entries e WHERE ${conditions(filter)} ORDER BY e.position DESC LIMIT :limit)`;
    const found = this.#db
      .prepare<[Record<string, unknown>], number | null>(sql)
      .pluck()
      .get({ ...parameters(filter), limit });
    return found ?? undefined;
  }

  /** At most `limit` records that match, from this position on, oldest first. */
  page({ limit, ...filter }: RecordsQuery, from: number): KeptRecord[] {
    const sql = `SELECT ${completed} WHERE e.position >= :from AND ${conditions(filter)}
      ORDER BY e.position LIMIT :limit`;
    return this.#db
      .prepare<[Record<string, unknown>], Row>(sql)
      .all({ ...parameters(filter), from, limit })
      .map(this.#kept);
  }

  readonly #kept = (row: Row): KeptRecord => {
    const { position, subject, disposition, time, outcome } = row;
    const json = jsonOf(outcome ?? this.#events.text(row) ?? '', row);
    return { position, subject, denied: isDenial(disposition), time, json };
  };
}
