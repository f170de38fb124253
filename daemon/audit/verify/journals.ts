// Journals that are still being taken in, held against the log: they are as long as what was taken in from them, their
// frames are sound, every record of theirs is in the log, and every entry of the log says what its record said.
import { closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs';
import type { SessionRecord } from '../../model/mod.ts';
import { decodeJournal, maxJournalPayload } from '../../wire/mod.ts';
import type { JournalDamage } from '../../wire/mod.ts';
import type { Database } from '../database.ts';
import { readIfThere } from '../durable-file.ts';
import { parseRecord } from '../parse-record.ts';
import type { Problem } from './result.ts';
import { sameRecord } from './same-record.ts';

interface JournalRow {
  readonly session: string;
  readonly path: string;
  /** Bytes of the file that were taken in. */
  readonly cursor: number;
}

interface EntryRow {
  readonly position: number;
  readonly part: 0 | 1;
  /** Null when pruned. */
  readonly event: string | null;
}

/** Any whole frame fits. */
const windowSize = maxJournalPayload + 8;
/** Of one journal: more of them tell nothing new. */
const most = 100;

export function checkJournals(
  db: Database,
  keyFile: string,
): { readonly count: number; readonly problems: readonly Problem[] } {
  const text = readIfThere(keyFile);
  const key = text === undefined ? undefined : Buffer.from(text.trim(), 'hex');
  const rows = db.prepare<[], JournalRow>('SELECT session, path, cursor FROM journals').all();
  const problems = rows.flatMap((row) => {
    const found = existsSync(row.path) || stillThere(db, row) ? checkJournal(db, row, key) : [];
    return found.slice(0, most);
  });
  return { count: rows.length, problems };
}

/** A session may end while we look: its journal goes once all of it is in the log. */
const stillThere = (db: Database, { session }: JournalRow): boolean =>
  db.prepare<[string]>('SELECT 1 FROM journals WHERE session = ?').get(session) !== undefined;

function checkJournal(db: Database, row: JournalRow, key: Uint8Array | undefined): Problem[] {
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
  const seen = new Seen(db, session, key);
  for (const frame of framesOf(path, Math.min(size, cursor))) {
    if ('reason' in frame) {
      if (!seen.knowsDamage(frame))
        problems.push(
          problem(
            0,
            `${frame.length} bytes at ${placeIn(session, frame)}: ${frame.reason}; they were sound once`,
          ),
        );
    } else seen.take(frame);
  }
  problems.push(...seen.notInLog().map((detail) => problem(0, detail)));
  // What was cut off cannot be compared.
  if (size >= cursor)
    for (const { position, detail } of seen.notInJournal()) problems.push(problem(position, detail));
  return problems;
}

const placeIn = (session: string, { offset }: { readonly offset: number }): string =>
  `byte ${offset} of the journal of ${session}`;

interface Frame {
  /** In the file. */
  readonly offset: number;
  readonly text: string;
}

/** In their order, with what is between them and no frame. */
function* framesOf(path: string, end: number): Generator<Frame | JournalDamage> {
  if (end === 0) return;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const buffer = Buffer.allocUnsafeSlow(2 * windowSize);
  try {
    for (let at = 0; at < end;) {
      const length = readSync(fd, buffer, 0, Math.min(buffer.length, end - at), at);
      if (length === 0) return;
      const final = at + length >= end;
      let used = 0;
      while (used < length && (final || length - used > windowSize)) {
        const found = decodeJournal(buffer.subarray(used, length), { final, maxRecords: 1 });
        for (const damage of found.damage) yield { ...damage, offset: at + used + damage.offset };
        const [text] = found.records;
        if (text !== undefined)
          yield { offset: at + used + found.consumed - 8 - Buffer.byteLength(text), text };
        if (found.consumed === 0) break;
        used += found.consumed;
      }
      // Nothing whole in all of it: given up as the reader of journals gives it up.
      at += used === 0 ? windowSize : used;
    }
  } finally {
    closeSync(fd);
  }
}

interface Known {
  readonly offset: number;
  /** Bit 0: an entry of the record matched; bit 1: one of its outcome. */
  matched: number;
  /** What differed the last time. */
  differs: string;
}

/** The records of one journal as they come by. */
class Seen {
  readonly #session: string;
  readonly #key: Uint8Array | undefined;
  readonly #records = new Map<number, Known>();
  readonly #absent: string[] = [];
  readonly #entries;
  readonly #all;
  readonly #damage;

  constructor(db: Database, session: string, key: Uint8Array | undefined) {
    this.#session = session;
    this.#key = key;
    this.#entries = db.prepare<[string, number], EntryRow>(
      'SELECT position, part, event FROM entries WHERE stream = ? AND seq = ? ORDER BY part',
    );
    this.#all = db.prepare<[string], Omit<EntryRow, 'event'> & { readonly seq: number }>(
      'SELECT position, part, seq FROM entries WHERE stream = ? ORDER BY position',
    );
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

  take({ offset, text }: Frame): void {
    const record = parseRecord(text, this.#session);
    // What is no record of this session was told when it was taken in.
    if (record === undefined) return;
    const { seq } = record;
    const known = this.#records.get(seq) ?? { offset, matched: 0, differs: '' };
    const entries = this.#entries.all(this.#session, seq);
    if (entries.length === 0 && !this.#records.has(seq) && this.#absent.length < most)
      this.#absent.push(
        `record ${seq}, at ${placeIn(this.#session, { offset })}, was taken in and is not in the log`,
      );
    this.#records.set(seq, known);
    for (const entry of entries) this.#compare(record, entry, known);
  }

  #compare(record: SessionRecord, { part, event }: EntryRow, known: Known): void {
    const bit = 1 << part;
    if ((known.matched & bit) !== 0) return;
    const differs = event === null ? undefined : sameRecord(record, event, this.#key);
    if (differs === undefined) known.matched |= bit;
    else known.differs = differs;
  }

  notInLog(): readonly string[] {
    return this.#absent;
  }

  /** Entries of which the journal says something else, or nothing. */
  *notInJournal(): Generator<{ readonly position: number; readonly detail: string }> {
    for (const { position, part, seq } of this.#all.iterate(this.#session)) {
      const known = this.#records.get(seq);
      if (known === undefined)
        yield {
          position,
          detail: `record ${seq} is in the log and no longer in the journal of ${this.#session}`,
        };
      else if ((known.matched & (1 << part)) === 0)
        yield {
          position,
          detail: `record ${seq}, at ${placeIn(this.#session, known)}, and its entry differ in ${known.differs}`,
        };
    }
  }
}
