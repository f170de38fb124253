// The spool's table of records: inserted in the order of arrival, asked for by session, time and disposition.
import type { SessionRecord } from '../model/mod.ts';
import type { Database, Statement } from './database.ts';

/** A record as it is kept: the text is what was journaled, byte for byte. */
export interface KeptRecord {
  readonly position: number;
  /** Session it is about; 'daemon' when about none. */
  readonly subject: string;
  readonly denied: boolean;
  readonly time: number;
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

interface Row {
  readonly position: number;
  readonly subject: string;
  readonly disposition: string;
  readonly time: number;
  readonly json: string;
}

export const isDenial = (disposition: string): boolean =>
  disposition === 'denied' || disposition === 'would-deny';

const kept = ({ disposition, ...row }: Row): KeptRecord => ({ ...row, denied: isDenial(disposition) });

type Filter = Omit<RecordsQuery, 'limit'>;

function conditions({ subjects, deniedOnly = false }: Filter): string {
  const where = ['time >= :since'];
  if (subjects?.length === 1) where.push('subject = :subject');
  else if (subjects !== undefined) where.push('subject IN (SELECT value FROM json_each(:subjects))');
  if (deniedOnly) where.push(`disposition IN ('denied', 'would-deny')`);
  return where.join(' AND ');
}

const parameters = ({ subjects = [], since = 0 }: Filter): Record<string, unknown> =>
  subjects.length === 1 ? { since, subject: subjects[0] } : { since, subjects: JSON.stringify(subjects) };

export class RecordsTable {
  readonly #db: Database;
  readonly #insert: Statement<[string, number, string, number, string, string, string]>;
  readonly #complete: Statement<[string, string, number]>;
  #totals: { records: number; denied: number };

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare(
      `INSERT INTO records (stream, seq, subject, time, kind, disposition, json)
       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream, seq) DO NOTHING`,
    );
    this.#complete = db.prepare(
      `UPDATE records SET completion = ?
       WHERE stream = ? AND seq = ? AND completion IS NULL AND json_extract(json, '$.outcome') IS NULL`,
    );
    this.#totals = this.#count();
  }

  /** Undefined when the stream already has this number. */
  insert(stream: string, subject: string, record: SessionRecord, json: string): KeptRecord | undefined {
    const { seq, time, kind, disposition } = record;
    const result = this.#insert.run(stream, seq, subject, time, kind, disposition, json);
    if (result.changes === 0) return undefined;
    const denied = isDenial(disposition);
    this.#totals.records += 1;
    if (denied) this.#totals.denied += 1;
    return { position: Number(result.lastInsertRowid), subject, denied, time, json };
  }

  /**
   * The outcome of a record that is there already, once. What was recorded first stays as it was, beside it. False when
   * there is nothing to complete.
   */
  complete(stream: string, { seq, outcome }: SessionRecord, json: string): boolean {
    return outcome !== undefined && this.#complete.run(json, stream, seq).changes === 1;
  }

  /** Numbers of the stream from `from` on. */
  seqsFrom(stream: string, from: number): number[] {
    const sql = 'SELECT seq FROM records WHERE stream = ? AND seq >= ?';
    return this.#db
      .prepare<[string, number], { seq: number }>(sql)
      .all(stream, from)
      .map(({ seq }) => seq);
  }

  lastSeq(stream: string): number {
    const sql = 'SELECT max(seq) AS seq FROM records WHERE stream = ?';
    return this.#db.prepare<[string], { seq: number | null }>(sql).get(stream)?.seq ?? 0;
  }

  byId(stream: string, seq: number): KeptRecord | undefined {
    const sql =
      'SELECT position, subject, disposition, time, coalesce(completion, json) AS json FROM records WHERE stream = ? AND seq = ?';
    const row = this.#db.prepare<[string, number], Row>(sql).get(stream, seq);
    return row === undefined ? undefined : kept(row);
  }

  /** Position of the first record of the answer: the oldest of the latest `limit` that match. 0 when none does. */
  first({ limit, ...filter }: RecordsQuery): number {
    const sql = `SELECT min(position) AS position FROM
      (SELECT position FROM records WHERE ${conditions(filter)} ORDER BY position DESC LIMIT :limit)`;
    const row = this.#db
      .prepare<[Record<string, unknown>], { position: number | null }>(sql)
      .get({ ...parameters(filter), limit });
    return row?.position ?? 0;
  }

  /** At most `limit` records that match, from this position on, oldest first. */
  page({ limit, ...filter }: RecordsQuery, from: number): KeptRecord[] {
    const sql = `SELECT position, subject, disposition, time, coalesce(completion, json) AS json FROM records
      WHERE position >= :from AND ${conditions(filter)} ORDER BY position LIMIT :limit`;
    return this.#db
      .prepare<[Record<string, unknown>], Row>(sql)
      .all({ ...parameters(filter), from, limit })
      .map(kept);
  }

  /** Since the spool began. Counted once, then kept up. */
  totals(): { readonly records: number; readonly denied: number } {
    return { ...this.#totals };
  }

  #count(): { records: number; denied: number } {
    const sql = `SELECT (SELECT count(*) FROM records) AS records,
      (SELECT count(*) FROM records WHERE disposition IN ('denied', 'would-deny')) AS denied`;
    return this.#db.prepare<[], { records: number; denied: number }>(sql).get() ?? { records: 0, denied: 0 };
  }
}
