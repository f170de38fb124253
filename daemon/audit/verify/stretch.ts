// Reads one stretch of a log out of the database and has it checked. Runs on threads of its own.
import Sqlite from 'better-sqlite3';
import { checkSegment, hashOf, hashSize, segmentSize, tileWidth } from '../../proof/mod.ts';
import type { Hash, SegmentResult, SegmentTask, StoredEntry } from '../../proof/mod.ts';
import type { Database } from '../database.ts';
import { storedColumns, StoredEvents } from '../stored-events.ts';
import type { StoredRow } from '../stored-events.ts';

export interface Stretch {
  readonly log: number;
  readonly base: number;
  /** Index in the log, a multiple of the segment size. */
  readonly from: number;
  readonly to: number;
  readonly sizes: readonly number[];
  /** Chain before the log's first entry. */
  readonly start: Hash;
}

/** What SQLite cannot read (a damaged page) ends the stretch there. */
export type StretchResult = SegmentResult & { readonly damage: string | undefined };

export function openReadOnly(path: string): Database {
  const db = new Sqlite(path, { readonly: true, fileMustExist: true });
  db.pragma('busy_timeout = 2000');
  db.pragma('cache_size = -8192');
  return db;
}

type Failed = (why: string) => void;

/** Entries that are read at once. */
const pageSize = 256;

/** What cannot be read is stepped over, a little further each time. */
function* entriesOf(db: Database, { base, from, to }: Stretch, failed: Failed): Generator<StoredEntry> {
  const readPage = pageReader(db, base);
  const readOne = oneByOne(db, base, failed);
  for (let next = from; next < to;) {
    const end = Math.min(next + pageSize, to);
    const page = readPage(next, end);
    if (page === undefined) next = yield* readOne(next, end);
    else {
      yield* page;
      next = end;
    }
  }
}

type PageRow = [...StoredRow, position: number];
type HashesRow = [hashes: Buffer | null, sound: number | null];

/** All hashes of a page come as one blob: a Buffer for each would cost more than the hashing. */
const hashesOfPage = `SELECT CAST(group_concat(leaf || chain, '') AS BLOB),
    sum(typeof(leaf) = 'blob' AND typeof(chain) = 'blob' AND length(leaf) = ${hashSize} AND length(chain) = ${hashSize})
  FROM (SELECT leaf, chain FROM entries WHERE position >= ? AND position < ? ORDER BY position)`;

/** Undefined when something in the page cannot be read, or is no hash: then it is read one by one. */
function pageReader(db: Database, base: number): (from: number, to: number) => StoredEntry[] | undefined {
  const texts = db
    .prepare<[number, number], PageRow>(
      `SELECT ${storedColumns(db)}, position FROM entries WHERE position >= ? AND position < ? ORDER BY position`,
    )
    .raw();
  const hashes = db.prepare<[number, number], HashesRow>(hashesOfPage).raw();
  const events = new StoredEvents(db);
  const both = db.transaction(
    (from: number, to: number) => [texts.all(from, to), hashes.get(from, to)] as const,
  );
  return (from, to) => {
    try {
      const [rows, [all, sound] = [null, 0]] = both(base + from, base + to);
      if ((sound ?? 0) !== rows.length || (all?.length ?? 0) !== rows.length * 2 * hashSize) return undefined;
      return rows.map((row, i): StoredEntry => {
        const at = i * 2 * hashSize;
        const leaf = all?.latin1Slice(at, at + hashSize) ?? '';
        const chain = all?.latin1Slice(at + hashSize, at + 2 * hashSize) ?? '';
        return { index: row[5] - base, leaf, chain, text: events.textOfRow(row) };
      });
    } catch {
      return undefined;
    }
  };
}

type Raw = [...StoredRow, position: number, leaf: Buffer, chain: Buffer];

/** Returns where to go on, which may be behind `to`. */
function oneByOne(
  db: Database,
  base: number,
  failed: Failed,
): (from: number, to: number) => Generator<StoredEntry, number> {
  const rows = db
    .prepare<[number, number], Raw>(
      `SELECT ${storedColumns(db)}, position, leaf, chain FROM entries WHERE position >= ? AND position < ? ORDER BY position`,
    )
    .raw();
  const events = new StoredEvents(db);
  let step = 1;
  return function* read(from, to) {
    let next = from;
    while (next < to) {
      try {
        for (const row of rows.iterate(base + next, base + to)) {
          const [, , , , , position, leaf, chain] = row;
          next = position - base + 1;
          step = 1;
          const text = events.textOfRow(row);
          yield { index: position - base, leaf: hashOf(leaf), chain: hashOf(chain), text };
        }
        return to;
      } catch (error) {
        failed(error instanceof Error ? error.message : String(error));
        next += step;
        step *= 2;
      }
    }
    return next;
  };
}

function tilesOf(db: Database, { log, from, to }: Stretch): (Hash | undefined)[] {
  const first = from / tileWidth;
  const tiles: (Hash | undefined)[] = Array.from({ length: Math.floor((to - from) / tileWidth) });
  const rows = db
    .prepare<[number, number, number], { position: number; hash: Buffer }>(
      'SELECT position, hash FROM tiles WHERE log = ? AND level = 1 AND position >= ? AND position < ?',
    )
    .all(log, first, first + segmentSize / tileWidth);
  for (const { position, hash } of rows)
    if (position - first < tiles.length) tiles[position - first] = hashOf(hash);
  return tiles;
}

function chainBefore(db: Database, { base, from, start }: Stretch): Hash | undefined {
  if (from === 0) return start;
  const sql = 'SELECT chain FROM entries WHERE position = ?';
  const chain = db
    .prepare<[number], Buffer>(sql)
    .pluck()
    .get(base + from - 1);
  return chain === undefined ? undefined : hashOf(chain);
}

export function checkStretch(db: Database, stretch: Stretch): StretchResult {
  const { from, to, sizes } = stretch;
  let damage: string | undefined;
  const safely = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch (error) {
      damage = error instanceof Error ? error.message : String(error);
      return otherwise;
    }
  };
  const task: SegmentTask = {
    from,
    to,
    sizes,
    before: safely(() => chainBefore(db, stretch), undefined),
    tiles: safely(() => tilesOf(db, stretch), []),
  };
  const result = checkSegment(
    task,
    entriesOf(db, stretch, (why) => (damage = why)),
  );
  return { ...result, damage };
}
