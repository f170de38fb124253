// Journals that are still being taken in, held against the log: they are as long as what was taken in from them, their
// frames are sound, every record of theirs is in the log, and every entry of the log says what its record said.
import { existsSync, statSync } from 'node:fs';
import type { JournalDamage } from '../../wire/mod.ts';
import type { Database } from '../database.ts';
import { readIfThere } from '../../../native-bindings/files/mod.ts';
import { Repeats } from '../repeats.ts';
import { EntryComparison } from './entry-comparison.ts';
import { JournalEntries } from './journal-entries.ts';
import type { OpenEntry } from './journal-entries.ts';
import { framesOf, offsetOf } from './journal-frames.ts';
import type { Frame } from './journal-frames.ts';
import type { Problem } from './result.ts';

interface JournalRow {
  readonly session: string;
  readonly path: string;
  /** Bytes of the file that were taken in. */
  readonly cursor: number;
}

/** Of one journal: more of them tell nothing new. */
const most = 100;

/** Frames between which other work runs. */
const framesATurn = 1000;

export interface CheckedJournals {
  readonly count: number;
  readonly problems: readonly Problem[];
}

export async function checkJournals(db: Database, keyFile: string): Promise<CheckedJournals> {
  const text = readIfThere(keyFile);
  const key = text === undefined ? undefined : Buffer.from(text.trim(), 'hex');
  const { rows, last } = atOneMoment(db);
  const problems: Problem[] = [];
  for (const row of rows)
    if (existsSync(row.path) || stillThere(db, row))
      problems.push(...(await checkJournal(row, new Seen(db, row.session, last, key))).slice(0, most));
  return { count: rows.length, problems };
}

/** What was taken in of which journals, and the last position then: the log may grow meanwhile. */
const atOneMoment = (db: Database): { readonly rows: JournalRow[]; readonly last: number } =>
  db.transaction(() => ({
    rows: db.prepare<[], JournalRow>('SELECT session, path, cursor FROM journals').all(),
    last: db.prepare<[], number | null>('SELECT max(position) FROM entries').pluck().get() ?? -1,
  }))();

/** A session may end while we look: its journal goes once all of it is in the log. */
const stillThere = (db: Database, { session }: JournalRow): boolean =>
  db.prepare<[string]>('SELECT 1 FROM journals WHERE session = ?').get(session) !== undefined;

async function checkJournal(row: JournalRow, seen: Seen): Promise<Problem[]> {
  const { session, path, cursor } = row;
  const size = existsSync(path) ? statSync(path).size : 0;
  const problem = (position: number, detail: string): Problem => ({
    kind: 'journal',
    origin: session,
    from: position,
    to: position,
    detail,
  });
  const short = `the journal of ${session} has ${size} bytes, ${cursor} were taken in from it`;
  const problems: Problem[] = size < cursor ? [problem(0, short)] : [];
  let frames = 0;
  for (const frame of framesOf(path, Math.min(size, cursor))) {
    if ('text' in frame) seen.take(frame);
    else if (!seen.knowsDamage(frame))
      problems.push(
        problem(
          0,
          `${frame.length} bytes at ${placeIn(session, frame)}: ${frame.reason}; they were sound once`,
        ),
      );
    frames += 1;
    if (frames % framesATurn === 0) await nextTurn();
  }
  problems.push(...seen.notInLog().map((detail) => problem(0, detail)));
  // What was cut off cannot be compared.
  if (size >= cursor)
    for (const { position, detail } of seen.notInJournal()) problems.push(problem(position, detail));
  return problems;
}

const nextTurn = (): Promise<undefined> => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  setImmediate(() => resolve(undefined));
  return promise;
};

const placeIn = (session: string, { offset }: { readonly offset: number }): string =>
  `byte ${offset} of the journal of ${session}`;

/** The records of one journal as they come by. */
class Seen {
  readonly #session: string;
  readonly #repeats: Repeats;
  readonly #entries: JournalEntries;
  readonly #comparison: EntryComparison;
  /** Numbers that the log does not have, and what is told of them. */
  readonly #absent = new Map<number, string>();
  readonly #damage;

  constructor(db: Database, session: string, last: number, key: Uint8Array | undefined) {
    this.#session = session;
    this.#repeats = new Repeats(session);
    this.#entries = new JournalEntries(db, session, last);
    this.#comparison = new EntryComparison(db, session, key);
    this.#damage = db.prepare<[string, string]>(
      `SELECT 1 FROM entries WHERE stream = 'daemon' AND subject = ? AND instr(event, ?) > 0 LIMIT 1`,
    );
  }

  /** It was there when the journal was taken in, and is on record. */
  knowsDamage({ offset, length }: JournalDamage): boolean {
    return (
      this.#damage.get(this.#session, `${length} bytes at offset ${offset} could not be read`) !== undefined
    );
  }

  take(frame: Frame): void {
    const read = this.#repeats.read(frame.text);
    // What is no record of this session was told when it was taken in.
    if (read === undefined) return;
    const { seq } = read.record;
    const open = this.#entries.open(seq);
    if (open.length === 0) this.#mayBeAbsent(seq, frame);
    for (const entry of open) {
      entry.first ??= { offset: offsetOf(frame) };
      const differs = this.#comparison.differs(read, entry.row);
      if (differs === undefined) this.#entries.found(seq, entry);
      else entry.differs = differs;
    }
  }

  #mayBeAbsent(seq: number, frame: Frame): void {
    if (this.#entries.has(seq) || this.#absent.size >= most || this.#absent.has(seq)) return;
    const place = placeIn(this.#session, { offset: offsetOf(frame) });
    this.#absent.set(seq, `record ${seq}, at ${place}, was taken in and is not in the log`);
  }

  notInLog(): readonly string[] {
    return [...this.#absent.values()];
  }

  /** Entries of which the journal says something else, or nothing. */
  notInJournal(): readonly { readonly position: number; readonly detail: string }[] {
    return this.#entries.left().map((entry) => ({ position: entry.position, detail: this.#told(entry) }));
  }

  #told({ row: [, seq], first, differs }: OpenEntry): string {
    return first === undefined
      ? `record ${seq} is in the log and no longer in the journal of ${this.#session}`
      : `record ${seq}, at ${placeIn(this.#session, first)}, and its entry differ in ${differs}`;
  }
}
