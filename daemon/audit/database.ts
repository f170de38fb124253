// The daemon's one SQLite file. better-sqlite3 is synchronous: every transaction here is bounded, so that a request
// never waits long behind another. Write-ahead log: what was committed survives kill -9 of this process; what must
// also survive a power cut is committed with `durably`.
import Sqlite from 'better-sqlite3';
import { CordonError } from '../model/mod.ts';
import { migrations } from './migrations.ts';

export type Database = Sqlite.Database;
export type Statement<P extends unknown[], R = unknown> = Sqlite.Statement<P, R>;

export function openDatabase(path: string): Database {
  try {
    const db = new Sqlite(path);
    // Two events a page of 4 KiB would leave a quarter of it empty. Only a new file takes this.
    db.pragma('page_size = 8192');
    db.pragma('journal_mode = WAL');
    db.pragma('wal_autocheckpoint = 2000');
    db.pragma('synchronous = NORMAL');
    db.pragma('cache_size = -4096');
    db.pragma('busy_timeout = 2000');
    migrate(db, path);
    return db;
  } catch (error) {
    throw unusable(path, error);
  }
}

/** What is said of a database that cannot be worked with. */
export function unusable(path: string, error: unknown): CordonError {
  if (error instanceof CordonError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new CordonError('internal', `cannot open ${path}: ${text}`, {
    fix: 'check the disk; a damaged file may be moved away, the records in it are then lost to this daemon',
    cause: error,
  });
}

function migrate(db: Database, path: string): void {
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version > migrations.length)
    throw new CordonError('unavailable', `${path} was written by a newer cordond (schema ${version})`, {
      fix: 'install that version again, or move the file away',
    });
  migrations.slice(version).forEach((sql, i) => {
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${version + i + 1}`);
    })();
  });
}

/** Runs `work` as one transaction that is on the disk when this returns (fsync of the log). */
export function durably<T>(db: Database, work: () => T): T {
  db.pragma('synchronous = FULL');
  try {
    return db.transaction(work).immediate();
  } finally {
    db.pragma('synchronous = NORMAL');
  }
}

/** SQLite's word for pages that are not what it wrote. */
export const isDamage = (error: unknown): boolean =>
  error instanceof Sqlite.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
