// The spool: takes records out of session journals into SQLite, cursor and records in one transaction, so that a
// record is there exactly once however often the daemon is killed. Also keeps the daemon's own records (stream
// `daemon`), which are on the disk before the act they record is acknowledged.
import { CordonError } from '../model/mod.ts';
import type { NewRecord, SessionRecord } from '../model/mod.ts';
import { classOf, eventText, ownOf, termsOf } from '../ocsf/mod.ts';
import type { EventTemplate } from '../ocsf/mod.ts';
import type { Database, Statement } from './database.ts';
import { EntriesTable } from './entries-table.ts';
import type { KeptRecord, RecordsQuery } from './entries-table.ts';
import type { EventContexts } from './event-contexts.ts';
import { Followers } from './followers.ts';
import type { Follower, Told } from './followers.ts';
import { sortOut } from './intake.ts';
import { damageRecord, holeRecord, repeatRecord, strangeRecord } from './journal-findings.ts';
import { JournalReader } from './journal-reader.ts';
import { isDenial } from './log.ts';
import type { Log } from './log.ts';
import { itemsOf } from './prepared-window.ts';
import type { PreparedRecord, PreparedWindow } from './prepared-window.ts';
import { ReadingAhead } from './read-ahead.ts';
import type { ReadAhead } from './read-ahead.ts';
import type { Redactor } from './redactor.ts';
import { keptParts, Repeats, textOf } from './repeats.ts';
import type { ReadRecord } from './repeats.ts';
import type { Indexed, Segments } from './segments.ts';
import { patience, Sequence } from './sequence.ts';

export type { Follower } from './followers.ts';

/** Stream and session name of what the daemon itself records. */
export const daemonStream = 'daemon';

interface Journal {
  readonly reader: JournalReader;
  readonly repeats: Repeats;
  cursor: number;
  sequence: Sequence;
  /** While it is long. */
  ahead: ReadAhead | undefined;
}

interface Prepared {
  readonly window: PreparedWindow;
  /** Of the windows before it, and then of this one. */
  readonly templates: Map<number, EventTemplate>;
}

/** Bytes of a journal that are worth a thread: a fifth of a second's work. */
const usualBacklog = 4 * 1024 * 1024;

export interface SpoolParts {
  readonly db: Database;
  readonly log: Log;
  readonly contexts: EventContexts;
  readonly redact: Redactor;
  readonly segments: Segments;
  /** Unix time in milliseconds. */
  readonly now: () => number;
  /** Bytes of a journal from which on a second thread reads it ahead. */
  readonly backlog?: number | undefined;
}

export class Spool {
  readonly #db: Database;
  readonly #log: Log;
  readonly #contexts: EventContexts;
  readonly #redact: Redactor;
  readonly #segments: Segments;
  readonly #now: () => number;
  readonly #backlog: number;
  readonly #ahead = new ReadingAhead();
  readonly #table: EntriesTable;
  readonly #journals = new Map<string, Journal>();
  readonly #followers = new Followers();
  readonly #moveCursor: Statement<[number, string]>;
  readonly #forget: Statement<[string]>;
  readonly #count: Statement<[number, number, string]>;
  readonly #before: { readonly records: number; readonly denied: number };
  #daemonSeq: number;
  /** Entries of the transaction that runs. */
  #staged: Indexed[] = [];

  constructor({ db, log, contexts, redact, segments, now, backlog = usualBacklog }: SpoolParts) {
    this.#db = db;
    this.#log = log;
    this.#contexts = contexts;
    this.#redact = redact;
    this.#segments = segments;
    this.#now = now;
    this.#backlog = backlog;
    this.#table = new EntriesTable(db);
    // The numbers of another log are others: what was lost with it may have been shipped under them.
    const floor = log.identity.base === 0 ? 0 : firstNumber(log.identity.number);
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
    const prepared = this.#prepared(session, journal);
    if (prepared !== undefined) {
      this.#takeAll(session, journal, prepared.window.to, (sequence, kept) => {
        this.#takePrepared(session, journal.repeats, prepared, sequence, kept);
      });
      return true;
    }
    const window = journal.reader.read(journal.cursor, final);
    if (window.cursor === journal.cursor && window.damage.length === 0) return false;
    this.#takeAll(session, journal, window.cursor, (sequence, kept) => {
      this.#takeIn(session, journal.repeats, sequence, window.records, kept);
      for (const damage of window.damage) kept.push(this.#appendOwn(session, damageRecord(damage)));
    });
    return window.more;
  }

  /** Takes in everything journaled before the call; other work runs between the batches. */
  async drain(session: string, final = false): Promise<void> {
    const journal = this.#journals.get(session);
    // What is written meanwhile is for another call: a session that writes as fast as this reads holds nobody up.
    const size = journal?.reader.size() ?? 0;
    const end = journal === undefined || final ? Infinity : size;
    for (;;) {
      if (journal !== undefined) this.#readAhead(session, journal, size);
      const arrival = journal?.ahead?.arrival();
      if (arrival !== undefined) await arrival;
      if (!this.drainBatch(session, final) || (journal?.cursor ?? 0) >= end) return;
      await nextTurn();
    }
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
    journal.ahead?.end();
    journal.reader.delete();
    this.#followers.tell(kept);
  }

  /** A record of the daemon's own, about `subject`. On the disk when this returns. */
  append(subject: string, record: NewRecord): void {
    this.#followers.tell([this.#commit(() => this.#appendOwn(subject, record), true)]);
  }

  /** As `append`, for what happens often and outlives kill -9 but not a power cut. */
  note(subject: string, record: NewRecord): void {
    this.#followers.tell([this.#commit(() => this.#appendOwn(subject, record))]);
  }

  /** The record that `take` returns, and what it did, in one transaction that is on the disk when this returns. */
  gap(take: () => NewRecord): void {
    this.#followers.tell([this.#commit(() => this.#appendOwn(daemonStream, take()), true)]);
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
    return this.#followers.add(follower);
  }

  close(): void {
    this.#ahead.close();
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

  /** One transaction, after which the journal goes on at `cursor`. */
  #takeAll(
    session: string,
    journal: Journal,
    cursor: number,
    take: (sequence: Sequence, kept: Told[]) => void,
  ): void {
    const kept: Told[] = [];
    const sequence = journal.sequence.copy();
    this.#commit(() => {
      take(sequence, kept);
      this.#tellLost(session, sequence.lost(false), kept);
      this.#moveCursor.run(cursor, session);
    });
    journal.cursor = cursor;
    journal.sequence = sequence;
    this.#followers.tell(kept);
  }

  /** Has the journal read ahead when there is much of it, and another thread can do what this one would. */
  #readAhead(session: string, journal: Journal, size: number): void {
    const { cursor, sequence, reader, ahead } = journal;
    if (ahead !== undefined || this.full !== undefined || size - cursor < this.#backlog) return;
    if (!this.#ahead.able) return;
    const redaction = this.#redact.portable?.();
    if (redaction === undefined) return;
    const context = this.#contexts.of(session);
    const { highest } = sequence;
    journal.ahead = this.#ahead.begin({ session, path: reader.path, cursor, highest, context, redaction });
  }

  /** What the other thread has made of what comes next. When it is elsewhere, or what it went by has changed, it ends. */
  #prepared(session: string, journal: Journal): Prepared | undefined {
    const { ahead, cursor, sequence } = journal;
    if (ahead === undefined) return undefined;
    const same = ahead.context === this.#contexts.of(session);
    const window = same ? ahead.take(cursor, sequence.highest) : undefined;
    if (window !== undefined) return { window, templates: ahead.templates };
    ahead.end();
    journal.ahead = undefined;
    return undefined;
  }

  #takePrepared(
    session: string,
    repeats: Repeats,
    { window, templates }: Prepared,
    sequence: Sequence,
    kept: Told[],
  ): void {
    const late: string[] = [];
    let denied = 0;
    let allowed = 0;
    for (const item of itemsOf(session, window, templates)) {
      if (item.as === 'strange') kept.push(this.#appendOwn(session, strangeRecord));
      else if (item.as === 'repeat') kept.push(this.#appendOwn(session, repeatRecord(item.seq)));
      else if (item.as === 'late') late.push(item.text);
      else {
        kept.push(this.#appendPrepared(session, item));
        sequence.take(item.seq);
        if (isDenial(item.disposition)) denied += 1;
        else allowed += item.count;
      }
    }
    this.#count.run(allowed, denied, session);
    if (late.length > 0) this.#takeIn(session, repeats, sequence, late, kept);
  }

  #appendPrepared(session: string, record: PreparedRecord): Told {
    const { time, disposition, terms } = record;
    const position = this.#log.append(record);
    this.#staged.push({ position, time, terms });
    return { position, subject: session, denied: isDenial(disposition), time, event: record };
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
    const context = this.#contexts.of(subject);
    const parts =
      part === 0
        ? keptParts(given, this.#redacted, context)
        : { record: this.#redact(given.record), template: undefined };
    const { record, template } = parts;
    const text = part === 0 ? textOf(parts, context) : eventText(record, context, 'outcome');
    const { seq, time, disposition, outcome } = record;
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
      template,
      own: ownOf(record),
    });
    this.#staged.push({ position, time, terms: part === 0 ? termsOf(record) : [] });
    return { position, subject, denied: isDenial(disposition), time, event: { text } };
  }

  readonly #redacted = ({ record }: ReadRecord): SessionRecord => this.#redact(record);

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
}

const journalAt = (session: string, path: string, cursor: number, sequence: Sequence): Journal => ({
  reader: new JournalReader(path),
  repeats: new Repeats(session),
  cursor,
  sequence,
  ahead: undefined,
});

/**
 * Of the daemon's own records: a thousand million for a log that has an ordinary number. A log whose number is a time
 * (log-start.ts) leaves room for fewer, for ids have fifteen digits at most.
 */
const firstNumber = (log: number): number => (log < 100_000 ? log * 10 ** 9 : log * 10 ** 5);

/** Of the logs before this one. */
function earlierTotals(db: Database, number: number): { records: number; denied: number } {
  const sql = `SELECT coalesce(sum(records), 0) AS records, coalesce(sum(denied), 0) AS denied
    FROM logs WHERE number <> ?`;
  return (
    db.prepare<[number], { records: number; denied: number }>(sql).get(number) ?? { records: 0, denied: 0 }
  );
}

const nextTurn = (): Promise<undefined> => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  setImmediate(() => resolve(undefined));
  return promise;
};
