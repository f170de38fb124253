// Reads one stretch of a log out of the database and has it checked. Runs on threads of its own.
import Sqlite from 'better-sqlite3';
import { checkSegment, hashOf, segmentSize, tileWidth } from '../../proof/mod.ts';
import type { Hash, SegmentResult, SegmentTask, StoredEntry } from '../../proof/mod.ts';
import type { Database } from '../database.ts';

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

type Raw = [number, Buffer, Buffer, string | null];

/** What cannot be read is stepped over, a little further each time. */
function* entriesOf(
  db: Database,
  { base, from, to }: Stretch,
  failed: (why: string) => void,
): Generator<StoredEntry> {
  const rows = db
    .prepare<[number, number], Raw>(
      'SELECT position, leaf, chain, event FROM entries WHERE position >= ? AND position < ? ORDER BY position',
    )
    .raw();
  let next = from;
  for (let step = 1; next < to; step *= 2) {
    try {
      for (const [position, leaf, chain, text] of rows.iterate(base + next, base + to)) {
        next = position - base + 1;
        step = 1;
        yield { index: position - base, leaf: hashOf(leaf), chain: hashOf(chain), text };
      }
      return;
    } catch (error) {
      failed(error instanceof Error ? error.message : String(error));
      next += step;
    }
  }
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
