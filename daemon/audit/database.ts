// The daemon's one SQLite file. better-sqlite3 is synchronous: every transaction here is bounded, so that a request
// never waits long behind another. Write-ahead log: what was committed survives kill -9 of this process; what must
// also survive a power cut is committed with `durably`.
import Sqlite from 'better-sqlite3';
import { CordonError } from '../model/mod.ts';

export type Database = Sqlite.Database;
export type Statement<P extends unknown[], R = unknown> = Sqlite.Statement<P, R>;

/** Each entry brings the schema from version i to i+1. Never edited, only appended to. */
const migrations: readonly string[] = [
  `
  -- Append-only, in the order of arrival: a later chain hashes in the order of position.
  CREATE TABLE records (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,        -- session whose journal it comes from, or 'daemon'
    seq INTEGER NOT NULL,        -- grows by one in a stream, without holes
    subject TEXT NOT NULL,       -- session it is about: what queries ask for
    time REAL NOT NULL,          -- unix ms
    kind TEXT NOT NULL,
    disposition TEXT NOT NULL,
    json TEXT NOT NULL,          -- SessionRecord, byte for byte as journaled
    completion TEXT,             -- the same record once its outcome was known, as journaled
    UNIQUE (stream, seq)
  );
  CREATE INDEX records_by_subject ON records (subject, position);
  CREATE INDEX records_by_subject_time ON records (subject, time);
  CREATE INDEX records_by_time ON records (time);
  CREATE INDEX records_by_disposition ON records (disposition, position);

  CREATE TABLE journals (
    session TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    cursor INTEGER NOT NULL DEFAULT 0   -- bytes of the file whose records are in the table above
  ) WITHOUT ROWID;

  CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    uid INTEGER NOT NULL,        -- the agent's
    owner INTEGER NOT NULL,      -- who asked for it
    state TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL NOT NULL DEFAULT 0,
    allowed INTEGER NOT NULL DEFAULT 0,
    denied INTEGER NOT NULL DEFAULT 0,
    facts TEXT NOT NULL          -- SessionFacts as JSON
  ) WITHOUT ROWID;
  CREATE INDEX sessions_by_end ON sessions (ended);

  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  `,
];

export function openDatabase(path: string): Database {
  try {
    const db = new Sqlite(path);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    db.pragma('cache_size = -4096');
    db.pragma('busy_timeout = 2000');
    migrate(db, path);
    return db;
  } catch (error) {
    if (error instanceof CordonError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new CordonError('internal', `cannot open ${path}: ${text}`, {
      fix: 'check the disk; a damaged file may be moved away, the records in it are then lost to this daemon',
      cause: error,
    });
  }
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
