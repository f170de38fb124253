// What was seen and used before, in a file: for a verifier that is one process a call. Apart from the library, which needs no
// native code.
import { closeSync, openSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { CordonError } from '../model/mod.ts';
import type { Replay } from './replay.ts';

/** Rows of a file that is full: then everything is refused, as nothing may be forgotten. */
const most = 1_000_000;
/** Milliseconds to wait for another call. */
const patience = 5000;
/** "CRpl" in the header of the file: another database is left alone. */
const applicationId = 0x4352706c;

const schema =
  'CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, until INTEGER NOT NULL, count INTEGER NOT NULL) WITHOUT ROWID;' +
  'CREATE INDEX IF NOT EXISTS seen_until ON seen (until);' +
  `PRAGMA application_id = ${applicationId};`;

export interface ReplayFile extends Replay {
  close(): void;
}

/** Several processes may have it open: what one has taken, no other takes. On the disk when a call returns. */
export function fileReplay(file: string, limit: number = most): ReplayFile {
  const db = opened(file);
  const prune = db.prepare<[number]>('DELETE FROM seen WHERE until <= ?');
  const total = db.prepare<[], { n: number }>('SELECT count(*) AS n FROM seen');
  const counted = db.prepare<[string], { count: number }>('SELECT count FROM seen WHERE id = ?');
  const add = db.prepare<[string, number]>(
    'INSERT INTO seen VALUES (?, ?, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1, until = max(until, excluded.until)',
  );
  const countOf = (id: string): number => counted.get(id)?.count ?? 0;
  const taken = db.transaction((wanted: readonly Wanted[], until: number, now: number): boolean => {
    prune.run(now);
    if ((total.get()?.n ?? limit) + wanted.length > limit) return false;
    if (wanted.some(({ id, uses }) => countOf(id) >= uses)) return false;
    for (const { id } of wanted) add.run(id, until);
    return true;
  });
  return {
    first: (id, until, now) => taken.immediate([{ id: `proof ${id}`, uses: 1 }], until, now),
    take: (tokens, until, now) =>
      taken.immediate(
        tokens.map(({ jti, uses }) => ({ id: `use ${jti}`, uses })),
        until,
        now,
      ),
    close: () => db.close(),
  };
}

interface Wanted {
  readonly id: string;
  readonly uses: number;
}

function opened(file: string): InstanceType<typeof Sqlite> {
  try {
    closeSync(openSync(file, 'a', 0o600));
    const db = new Sqlite(file, { timeout: patience });
    db.pragma('synchronous = FULL');
    db.transaction(() => prepare(db)).immediate();
    return db;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CordonError('config-invalid', `${file} cannot be used to remember what was seen: ${why}`, {
      file,
      fix: 'name a file that does not exist yet, in a directory that you may write to',
      cause,
    });
  }
}

/** A new database, or one of ours. */
function prepare(db: InstanceType<typeof Sqlite>): void {
  const id = db.pragma('application_id', { simple: true });
  const { n } = db.prepare<[], { n: number }>('SELECT count(*) AS n FROM sqlite_master').get() ?? { n: 1 };
  if (id !== applicationId && n > 0) throw new Error('it is another database');
  db.exec(schema);
}
