// The spool: takes records out of session journals into SQLite, cursor and records in one transaction, so that a
// record is there exactly once however often the daemon is killed. Also keeps the daemon's own records (stream
// `daemon`), which are on the disk before the act they record is acknowledged.
import type { NewRecord, SessionRecord } from '../model/mod.ts';
import type { JournalDamage } from '../wire/mod.ts';
import { durably } from './database.ts';
import type { Database, Statement } from './database.ts';
import { JournalReader } from './journal-reader.ts';
import { parseRecord } from './parse-record.ts';
import { RecordsTable } from './records-table.ts';
import type { KeptRecord, RecordsQuery } from './records-table.ts';

/** Stream and session name of what the daemon itself records. */
export const daemonStream = 'daemon';

export type Follower = (records: readonly KeptRecord[]) => void;

interface Journal {
  readonly reader: JournalReader;
  cursor: number;
  lastSeq: number;
  /** Numbers that were passed over: a session's threads number first and write then, so the next window may have them. */
  readonly missing: Set<number>;
}

export interface SpoolOptions {
  /** Unix time in milliseconds. */
  readonly now: () => number;
}

export class Spool {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #table: RecordsTable;
  readonly #journals = new Map<string, Journal>();
  readonly #followers = new Set<Follower>();
  readonly #moveCursor: Statement<[number, string]>;
  readonly #count: Statement<[number, number, string]>;
  #daemonSeq: number;

  constructor(db: Database, { now }: SpoolOptions) {
    this.#db = db;
    this.#now = now;
    this.#table = new RecordsTable(db);
    this.#daemonSeq = this.#table.lastSeq(daemonStream);
    this.#moveCursor = db.prepare('UPDATE journals SET cursor = ? WHERE session = ?');
    this.#count = db.prepare(
      'UPDATE sessions SET allowed = allowed + ?, denied = denied + ? WHERE session = ?',
    );
    this.#resume();
  }

  /** Sessions whose journals are not yet wholly taken in. */
  get open(): readonly string[] {
    return [...this.#journals.keys()];
  }

  /** From now on the journal at `path` belongs to `session`. */
  register(session: string, path: string): void {
    this.#db.prepare('INSERT OR IGNORE INTO journals (session, path) VALUES (?, ?)').run(session, path);
    this.#journals.set(session, {
      reader: new JournalReader(path),
      cursor: 0,
      lastSeq: 0,
      missing: new Set(),
    });
  }

  /** One bounded transaction. True when more can be taken in at once. */
  drainBatch(session: string, final = false): boolean {
    const journal = this.#journals.get(session);
    if (journal === undefined) return false;
    const window = journal.reader.read(journal.cursor, final);
    const idle = window.cursor === journal.cursor && window.damage.length === 0;
    if (idle && journal.missing.size === 0) return false;
    const kept: KeptRecord[] = [];
    const overdue = [...journal.missing];
    const missing = new Set(overdue);
    const lastSeq = this.#commit(() => {
      const seq = this.#takeIn(session, journal.lastSeq, missing, window.records, kept);
      const lost = final && !window.more ? [...missing] : overdue.filter((number) => missing.has(number));
      for (const number of lost) kept.push(this.#insertOwn(session, holeRecord(number)));
      for (const number of lost) missing.delete(number);
      for (const damage of window.damage) kept.push(this.#insertOwn(session, damageRecord(damage)));
      this.#moveCursor.run(window.cursor, session);
      return seq;
    });
    journal.cursor = window.cursor;
    journal.lastSeq = lastSeq;
    journal.missing.clear();
    for (const number of missing) journal.missing.add(number);
    this.#tell(kept);
    return window.more;
  }

  /** Takes in everything journaled before the call; other work runs between the batches. */
  async drain(session: string, final = false): Promise<void> {
    while (this.drainBatch(session, final)) await nextTurn();
  }

  async drainAll(): Promise<void> {
    for (const session of this.open) await this.drain(session);
  }

  /** The session's writer is gone: takes in the rest, then deletes the journal. */
  async finish(session: string): Promise<void> {
    await this.drain(session, true);
    const journal = this.#journals.get(session);
    if (journal === undefined) return;
    this.#journals.delete(session);
    journal.reader.delete();
    this.#db.prepare('DELETE FROM journals WHERE session = ?').run(session);
  }

  /** A record of the daemon's own, about `subject`. On the disk when this returns. */
  append(subject: string, record: NewRecord): KeptRecord {
    const kept = this.#commit(() => this.#insertOwn(subject, record), true);
    this.#tell([kept]);
    return kept;
  }

  /** As `append`, for what happens often and outlives kill -9 but not a power cut. */
  note(subject: string, record: NewRecord): KeptRecord {
    const kept = this.#commit(() => this.#insertOwn(subject, record));
    this.#tell([kept]);
    return kept;
  }

  /** As `note`, for what is only told about something that already happened: false when it cannot be kept. */
  tryNote(subject: string, record: NewRecord): boolean {
    try {
      this.note(subject, record);
      return true;
    } catch (error) {
      // A full disk, above all: sessions deny what they cannot journal, and the daemon goes on.
      const why = error instanceof Error ? error.message : String(error);
      process.stderr.write(`cordond: not recorded, because ${why}: ${record.operation} ${record.reason}\n`);
      return false;
    }
  }

  /** The latest `limit` that match, oldest first. */
  find(query: RecordsQuery): KeptRecord[] {
    return this.#table.page(query, this.#table.first(query));
  }

  /** Position where that answer begins, for asking in pages; 0 when nothing matches. */
  first(query: RecordsQuery): number {
    return this.#table.first(query);
  }

  page(query: RecordsQuery, from: number): KeptRecord[] {
    return this.#table.page(query, from);
  }

  /** By what `cordon explain` takes: `<session>-<seq>`. */
  byId(id: string): KeptRecord | undefined {
    const match = /^([a-z0-9]{1,64})-(\d{1,15})$/.exec(id);
    return match?.[1] === undefined ? undefined : this.#table.byId(match[1], Number(match[2]));
  }

  totals(): { readonly records: number; readonly denied: number } {
    return this.#table.totals();
  }

  /** Calls back with what comes in from now on, after it is committed. Returns the way to stop. */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  close(): void {
    for (const { reader } of this.#journals.values()) reader.close();
    this.#db.close();
  }

  #resume(): void {
    const rows = this.#db
      .prepare<[], { session: string; path: string; cursor: number }>(
        'SELECT session, path, cursor FROM journals',
      )
      .all();
    for (const { session, path, cursor } of rows)
      this.#journals.set(session, {
        reader: new JournalReader(path),
        cursor,
        lastSeq: this.#table.lastSeq(session),
        missing: new Set(),
      });
  }

  /** All or nothing, the daemon's own numbering included. */
  #commit<T>(work: () => T, durable = false): T {
    const before = this.#daemonSeq;
    try {
      return durable ? durably(this.#db, work) : this.#db.transaction(work)();
    } catch (error) {
      this.#daemonSeq = before;
      throw error;
    }
  }

  /** Returns the highest sequence number seen. What is passed over goes to `missing`; strangers are recorded. */
  #takeIn(
    session: string,
    lastSeq: number,
    missing: Set<number>,
    texts: readonly string[],
    kept: KeptRecord[],
  ): number {
    let last = lastSeq;
    let denied = 0;
    let allowed = 0;
    for (const text of texts) {
      const record = parseRecord(text, session);
      const row = record === undefined ? undefined : this.#table.insert(session, session, record, text);
      if (record === undefined || row === undefined) {
        // The second frame of a record says how its effect came out.
        if (record !== undefined && this.#table.complete(session, record, text)) continue;
        kept.push(this.#insertOwn(session, oddRecord(record)));
        continue;
      }
      passOver(missing, last, record.seq);
      last = Math.max(last, record.seq);
      if (row.denied) denied += 1;
      else allowed += record.count ?? 1;
      kept.push(row);
    }
    this.#count.run(allowed, denied, session);
    return last;
  }

  #insertOwn(subject: string, partial: NewRecord): KeptRecord {
    this.#daemonSeq += 1;
    const seq = this.#daemonSeq;
    const record: SessionRecord = {
      id: `${daemonStream}-${seq}`,
      session: subject,
      seq,
      time: this.#now(),
      mode: 'enforce',
      ...partial,
      generation: partial.generation ?? 0,
    };
    const kept = this.#table.insert(daemonStream, subject, record, JSON.stringify(record));
    if (kept === undefined) throw new Error(`daemon record ${seq} is already there`);
    return kept;
  }

  #tell(records: readonly KeptRecord[]): void {
    if (records.length === 0) return;
    for (const follower of this.#followers) follower(records);
  }
}

const nextTurn = (): Promise<undefined> => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  setImmediate(() => resolve(undefined));
  return promise;
};

const journalRecord = (operation: string, reason: string): NewRecord => ({
  kind: 'session',
  operation,
  object: 'journal',
  disposition: 'observed',
  layer: 'journal',
  reason,
});

const damageRecord = ({ offset, length, reason }: JournalDamage): NewRecord => ({
  ...journalRecord('journal-damage', `${length} bytes at offset ${offset} could not be read: ${reason}`),
  detail: { offset, length },
});

const holeRecord = (number: number): NewRecord =>
  journalRecord('journal-hole', `record ${number} is missing: the ones before and after it are there`);

/** More than this in one go is no race of threads: only the first are told one by one. */
const maxMissing = 1000;

function passOver(missing: Set<number>, last: number, seq: number): void {
  missing.delete(seq);
  for (let n = last + 1; n < seq && missing.size < maxMissing; n++) missing.add(n);
}

const oddRecord = (record: SessionRecord | undefined): NewRecord =>
  record === undefined
    ? journalRecord('journal-damage', 'a frame was sound but held no record of this session')
    : journalRecord('journal-repeat', `record ${record.seq} was written twice; the first stands`);
