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
import { patience, Sequence } from './sequence.ts';

/** Stream and session name of what the daemon itself records. */
export const daemonStream = 'daemon';

export type Follower = (records: readonly KeptRecord[]) => void;

interface Journal {
  readonly reader: JournalReader;
  cursor: number;
  sequence: Sequence;
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
  readonly #forget: Statement<[string]>;
  readonly #count: Statement<[number, number, string]>;
  #daemonSeq: number;

  constructor(db: Database, { now }: SpoolOptions) {
    this.#db = db;
    this.#now = now;
    this.#table = new RecordsTable(db);
    this.#daemonSeq = this.#table.lastSeq(daemonStream);
    this.#moveCursor = db.prepare('UPDATE journals SET cursor = ? WHERE session = ?');
    this.#forget = db.prepare('DELETE FROM journals WHERE session = ?');
    this.#count = db.prepare(
      'UPDATE sessions SET allowed = allowed + ?, denied = denied + ? WHERE session = ?',
    );
    this.#resume();
  }

  /** Sessions whose journals are not yet wholly taken in. */
  get open(): readonly string[] {
    return [...this.#journals.keys()];
  }

  /** From now on the journal at `path` is looked at; the registry has it on record. */
  register(session: string, path: string): void {
    this.#journals.set(session, { reader: new JournalReader(path), cursor: 0, sequence: new Sequence() });
  }

  /** One bounded transaction. True when more can be taken in at once. */
  drainBatch(session: string, final = false): boolean {
    const journal = this.#journals.get(session);
    if (journal === undefined) return false;
    const window = journal.reader.read(journal.cursor, final);
    if (window.cursor === journal.cursor && window.damage.length === 0) return false;
    const kept: KeptRecord[] = [];
    const sequence = journal.sequence.copy();
    this.#commit(() => {
      this.#takeIn(session, sequence, window.records, kept);
      for (const damage of window.damage) kept.push(this.#insertOwn(session, damageRecord(damage)));
      this.#tellLost(session, sequence.lost(false), kept);
      this.#moveCursor.run(window.cursor, session);
    });
    journal.cursor = window.cursor;
    journal.sequence = sequence;
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
    const kept: KeptRecord[] = [];
    this.#commit(() => {
      this.#tellLost(session, journal.sequence.lost(true), kept);
      this.#forget.run(session);
    });
    this.#journals.delete(session);
    journal.reader.delete();
    this.#tell(kept);
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
    for (const { session, path, cursor } of rows) {
      const highest = this.#table.lastSeq(session);
      const recent = this.#table.seqsFrom(session, highest - patience + 1);
      const sequence = new Sequence(highest, recent);
      this.#journals.set(session, { reader: new JournalReader(path), cursor, sequence });
    }
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

  /** A record comes as it is decided, and once more when its outcome is known. */
  #takeIn(session: string, sequence: Sequence, texts: readonly string[], kept: KeptRecord[]): void {
    const first = new Map<number, number>();
    let denied = 0;
    let allowed = 0;
    for (const text of texts) {
      const record = parseRecord(text, session);
      if (record === undefined) {
        kept.push(this.#insertOwn(session, strangeRecord));
        continue;
      }
      const row = this.#table.insert(session, session, record, text);
      if (row === undefined) {
        this.#takeOutcome(session, record, text, kept, first.get(record.seq));
        continue;
      }
      sequence.take(record.seq);
      if (row.denied) denied += 1;
      else allowed += record.count ?? 1;
      first.set(record.seq, kept.push(row) - 1);
    }
    this.#count.run(allowed, denied, session);
  }

  /** `at`: where in `kept` the record is when it came in this very batch: followers then see it once, complete. */
  #takeOutcome(
    session: string,
    record: SessionRecord,
    text: string,
    kept: KeptRecord[],
    at: number | undefined,
  ): void {
    if (!this.#table.complete(session, record, text)) {
      kept.push(this.#insertOwn(session, repeatRecord(record.seq)));
      return;
    }
    const before = at === undefined ? undefined : kept[at];
    if (at !== undefined && before !== undefined) kept[at] = { ...before, json: text };
  }

  #tellLost(session: string, lost: readonly number[], kept: KeptRecord[]): void {
    const [from, to] = [lost[0], lost.at(-1)];
    if (from !== undefined && to !== undefined)
      kept.push(this.#insertOwn(session, holeRecord(lost.length, from, to)));
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
    for (const follower of this.#followers) {
      try {
        follower(records);
      } catch {
        // It cannot be told; those who can are, and what was recorded stands.
        this.#followers.delete(follower);
      }
    }
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

const holeRecord = (count: number, from: number, to: number): NewRecord => ({
  ...journalRecord('journal-hole', `${count} records between ${from} and ${to} are missing`),
  detail: { count, from, to },
});

const strangeRecord = journalRecord('journal-damage', 'a frame was sound but held no record of this session');

const repeatRecord = (seq: number): NewRecord =>
  journalRecord('journal-repeat', `record ${seq} was written again; what came first stands`);
