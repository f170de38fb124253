// The spool: takes records out of session journals into SQLite, cursor and records in one transaction, so that a
// record is there exactly once however often the daemon is killed. Also keeps the daemon's own records (stream
// `daemon`), which are on the disk before the act they record is acknowledged.
import { CordonError } from '../model/mod.ts';
import type { NewRecord, SessionRecord } from '../model/mod.ts';
import { classOf, eventText, recordOf, termsOf } from '../ocsf/mod.ts';
import type { JournalDamage } from '../wire/mod.ts';
import type { Database, Statement } from './database.ts';
import { EntriesTable } from './entries-table.ts';
import type { KeptRecord, RecordsQuery } from './entries-table.ts';
import type { EventContexts } from './event-contexts.ts';
import { sortOut } from './intake.ts';
import { JournalReader } from './journal-reader.ts';
import { isDenial } from './log.ts';
import type { Log } from './log.ts';
import type { Redactor } from './redactor.ts';
import { eventOf, Repeats } from './repeats.ts';
import type { ReadRecord } from './repeats.ts';
import type { Indexed, Segments } from './segments.ts';
import { patience, Sequence } from './sequence.ts';

/** Stream and session name of what the daemon itself records. */
export const daemonStream = 'daemon';

export type Follower = (records: readonly KeptRecord[]) => void;

interface Journal {
  readonly reader: JournalReader;
  readonly repeats: Repeats;
  cursor: number;
  sequence: Sequence;
}

/** An entry on its way to followers: what readers are shown is made when somebody reads. */
interface Told {
  readonly position: number;
  readonly subject: string;
  readonly denied: boolean;
  readonly time: number;
  readonly text: string;
}

export interface SpoolParts {
  readonly db: Database;
  readonly log: Log;
  readonly contexts: EventContexts;
  readonly redact: Redactor;
  readonly segments: Segments;
  /** Unix time in milliseconds. */
  readonly now: () => number;
}

export class Spool {
  readonly #db: Database;
  readonly #log: Log;
  readonly #contexts: EventContexts;
  readonly #redact: Redactor;
  readonly #segments: Segments;
  readonly #now: () => number;
  readonly #table: EntriesTable;
  readonly #journals = new Map<string, Journal>();
  readonly #followers = new Set<Follower>();
  readonly #moveCursor: Statement<[number, string]>;
  readonly #forget: Statement<[string]>;
  readonly #count: Statement<[number, number, string]>;
  readonly #before: { readonly records: number; readonly denied: number };
  #daemonSeq: number;
  /** Entries of the transaction that runs. */
  #staged: Indexed[] = [];

  constructor({ db, log, contexts, redact, segments, now }: SpoolParts) {
    this.#db = db;
    this.#log = log;
    this.#contexts = contexts;
    this.#redact = redact;
    this.#segments = segments;
    this.#now = now;
    this.#table = new EntriesTable(db);
    // The numbers of another log are others: what was lost with it may have been shipped under them.
    const floor = log.identity.base === 0 ? 0 : log.identity.number * numbersOfALog;
    this.#daemonSeq = Math.max(this.#table.lastSeq(daemonStream), floor);
    this.#before = earlierTotals(db, log.identity.number);
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
    this.#journals.set(session, journalAt(session, path, 0, new Sequence()));
  }

  /** Why journals wait and are not taken in; the daemon's own records still are. */
  full: string | undefined;

  /** Throws CordonError('limit') when nothing more is taken in. */
  mustTake(): void {
    if (this.full === undefined) return;
    throw new CordonError('limit', `nothing more can be recorded: ${this.full}`, {
      fix: 'let the sinks catch up, or allow the log more room (records.retention)',
    });
  }

  /** One bounded transaction. True when more can be taken in at once. */
  drainBatch(session: string, final = false): boolean {
    if (this.full !== undefined) return false;
    const journal = this.#journals.get(session);
    if (journal === undefined) return false;
    const window = journal.reader.read(journal.cursor, final);
    if (window.cursor === journal.cursor && window.damage.length === 0) return false;
    const kept: Told[] = [];
    const sequence = journal.sequence.copy();
    this.#commit(() => {
      this.#takeIn(session, journal.repeats, sequence, window.records, kept);
      for (const damage of window.damage) kept.push(this.#appendOwn(session, damageRecord(damage)));
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
    // A journal that is not wholly taken in stays.
    this.mustTake();
    const journal = this.#journals.get(session);
    if (journal === undefined) return;
    const kept: Told[] = [];
    this.#commit(() => {
      this.#tellLost(session, journal.sequence.lost(true), kept);
      this.#forget.run(session);
    });
    this.#journals.delete(session);
    journal.reader.delete();
    this.#tell(kept);
  }

  /** A record of the daemon's own, about `subject`. On the disk when this returns. */
  append(subject: string, record: NewRecord): void {
    this.#tell([this.#commit(() => this.#appendOwn(subject, record), true)]);
  }

  /** As `append`, for what happens often and outlives kill -9 but not a power cut. */
  note(subject: string, record: NewRecord): void {
    this.#tell([this.#commit(() => this.#appendOwn(subject, record))]);
  }

  /** The record that `take` returns, and what it did, in one transaction that is on the disk when this returns. */
  gap(take: () => NewRecord): void {
    this.#tell([this.#commit(() => this.#appendOwn(daemonStream, take()), true)]);
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
    const from = this.#table.first(query);
    return from === undefined ? [] : this.#table.page(query, from);
  }

  /** Position where that answer begins, for asking in pages; undefined when nothing matches. */
  first(query: RecordsQuery): number | undefined {
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
    const { records, denied } = this.#log.totals;
    return { records: this.#before.records + records, denied: this.#before.denied + denied };
  }

  /** Calls back with what comes in from now on, after it is committed. Returns the way to stop. */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  close(): void {
    for (const { reader } of this.#journals.values()) reader.close();
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
      this.#journals.set(session, journalAt(session, path, cursor, sequence));
    }
  }

  /** All or nothing, the daemon's own numbering included. */
  #commit<T>(work: () => T, durable = false): T {
    const before = this.#daemonSeq;
    this.#staged = [];
    try {
      const result = this.#log.commit(work, durable);
      this.#index(this.#staged);
      return result;
    } catch (error) {
      this.#daemonSeq = before;
      throw error;
    }
  }

  /** What cannot be indexed now is found in the log later. */
  #index(staged: readonly Indexed[]): void {
    try {
      this.#segments.take(staged);
    } catch (error) {
      process.stderr.write(`cordond: the index of the log waits: ${String(error)}\n`);
    }
  }

  /** A record comes as it is decided, and once more when its outcome is known. */
  #takeIn(
    session: string,
    repeats: Repeats,
    sequence: Sequence,
    texts: readonly string[],
    kept: Told[],
  ): void {
    let denied = 0;
    let allowed = 0;
    const known = (seq: number): 'absent' | 'open' | 'settled' => this.#table.state(session, seq);
    const read = (text: string): ReadRecord | undefined => repeats.read(text);
    for (const taken of sortOut(read, texts, sequence.highest, known)) {
      if (taken.as === 'strange') kept.push(this.#appendOwn(session, strangeRecord));
      else if (taken.as === 'repeat') kept.push(this.#appendOwn(session, repeatRecord(taken.record.seq)));
      else if (taken.as === 'outcome') this.#appendEvent(session, session, taken, 1);
      else {
        const { record } = taken;
        kept.push(this.#appendEvent(session, session, taken, 0));
        sequence.take(record.seq);
        if (isDenial(record.disposition)) denied += 1;
        else allowed += record.count ?? 1;
      }
    }
    this.#count.run(allowed, denied, session);
  }

  #appendEvent(stream: string, subject: string, given: ReadRecord, part: 0 | 1): Told {
    const record = this.#redact(given.record);
    const { seq, time, disposition, outcome } = record;
    const context = this.#contexts.of(subject);
    const read = record === given.record ? given : { record };
    const text = part === 0 ? eventOf(read, context) : eventText(record, context, 'outcome');
    const position = this.#log.append({
      stream,
      seq,
      part,
      settled: outcome !== undefined,
      subject,
      time,
      class: classOf(record),
      disposition,
      text,
    });
    this.#staged.push({ position, time, terms: part === 0 ? termsOf(record) : [] });
    return { position, subject, denied: isDenial(disposition), time, text };
  }

  #tellLost(session: string, lost: readonly number[], kept: Told[]): void {
    const [from, to] = [lost[0], lost.at(-1)];
    if (from !== undefined && to !== undefined)
      kept.push(this.#appendOwn(session, holeRecord(lost.length, from, to)));
  }

  #appendOwn(subject: string, partial: NewRecord): Told {
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
    return this.#appendEvent(daemonStream, subject, { record }, 0);
  }

  #tell(told: readonly Told[]): void {
    if (told.length === 0 || this.#followers.size === 0) return;
    const records = told.map(lazily);
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

const journalAt = (session: string, path: string, cursor: number, sequence: Sequence): Journal => ({
  reader: new JournalReader(path),
  repeats: new Repeats(session),
  cursor,
  sequence,
});

/** More than a log will ever have of the daemon's own records. */
const numbersOfALog = 10 ** 9;

/** Of the logs before this one. */
function earlierTotals(db: Database, number: number): { records: number; denied: number } {
  const sql = `SELECT coalesce(sum(records), 0) AS records, coalesce(sum(denied), 0) AS denied
    FROM logs WHERE number <> ?`;
  return (
    db.prepare<[number], { records: number; denied: number }>(sql).get(number) ?? { records: 0, denied: 0 }
  );
}

/** What a follower is shown is made when it looks. */
const lazily = ({ text, ...rest }: Told): KeptRecord => ({
  ...rest,
  get json() {
    return JSON.stringify(recordOf(text));
  },
});

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
