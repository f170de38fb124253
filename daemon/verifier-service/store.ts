// What the service remembers: endpoints and what they last proved, challenges that are open. One SQLite file.
import { createHash } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import type { Enrolled, Memory } from '../verifier/mod.ts';
import { tokenBook } from './token-book.ts';
import type { TokenBook } from './token-book.ts';

/** Of an endpoint whose attestation key is known. */
export interface Endpoint {
  /** Undefined: it is trusted by its key’s Name alone. */
  readonly enrolled: Enrolled | undefined;
  readonly memory: Memory | undefined;
}

export interface Store {
  /** A credential that was made; `secret` itself is not kept. */
  addEnrolment(id: string, secret: Buffer, enrolled: Enrolled, now: number): void;
  /** Once only: right or wrong, it is spent. Undefined: unknown, too old, or not the secret. */
  takeEnrolment(id: string, secret: Buffer, now: number): Enrolled | undefined;
  enrol(enrolled: Enrolled, now: number): void;
  endpoint(ak: string): Endpoint | undefined;
  remember(ak: string, memory: Memory): void;
  addNonce(nonce: string, now: number): void;
  /** Once only. False: never given out, too old, or used. */
  takeNonce(nonce: string, now: number): boolean;
  readonly book: TokenBook;
  close(): void;
}

/** Milliseconds that a challenge is open. */
const lifetime = 5 * 60_000;
/** Open challenges at a time: who asks for more makes the oldest invalid. */
const maxOpen = 10_000;

const schema = `
CREATE TABLE IF NOT EXISTS enrolments (id TEXT PRIMARY KEY, secret TEXT NOT NULL, enrolled TEXT NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endpoints (ak TEXT PRIMARY KEY, enrolled TEXT NOT NULL, memory TEXT, time INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pinned (ak TEXT PRIMARY KEY, memory TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS enrolments_time ON enrolments (time);
CREATE INDEX IF NOT EXISTS nonces_time ON nonces (time);
`;

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

interface EnrolmentRow {
  readonly secret: string;
  readonly enrolled: string;
  readonly time: number;
}
interface EndpointRow {
  readonly enrolled: string;
  readonly memory: string | null;
}

export function openStore(path: string): Store {
  const db = new Sqlite(path);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  // An administrator's `cordon verifier revoke` is another process.
  db.pragma('busy_timeout = 5000');
  db.exec(schema);
  /** Room for one more. A flood makes the oldest invalid, and keeps nobody out. */
  const tidy = (table: 'enrolments' | 'nonces', now: number): void => {
    db.prepare(`DELETE FROM ${table} WHERE time < ?`).run(now - lifetime);
    const { count } = db.prepare<[], { count: number }>(`SELECT count(*) AS count FROM ${table}`).get() ?? {
      count: 0,
    };
    const key = table === 'nonces' ? 'nonce' : 'id';
    const oldest = `SELECT ${key} FROM ${table} ORDER BY time LIMIT ?`;
    db.prepare(`DELETE FROM ${table} WHERE ${key} IN (${oldest})`).run(Math.max(0, count - maxOpen + 1));
  };
  const taking = db.transaction((id: string): EnrolmentRow | undefined => {
    const row = db.prepare<[string], EnrolmentRow>('SELECT * FROM enrolments WHERE id = ?').get(id);
    db.prepare('DELETE FROM enrolments WHERE id = ?').run(id);
    return row;
  });
  return {
    addEnrolment: (id, secret, enrolled, now) => {
      tidy('enrolments', now);
      const sql = 'INSERT INTO enrolments (id, secret, enrolled, time) VALUES (?, ?, ?, ?)';
      db.prepare(sql).run(id, sha256(secret), JSON.stringify(enrolled), now);
    },
    takeEnrolment: (id, secret, now) => {
      const row = taking(id);
      if (row === undefined || row.time < now - lifetime || row.secret !== sha256(secret)) return undefined;
      return JSON.parse(row.enrolled) as Enrolled;
    },
    enrol: (enrolled, now) => {
      const sql = `INSERT INTO endpoints (ak, enrolled, time) VALUES (?, ?, ?)
        ON CONFLICT (ak) DO UPDATE SET enrolled = excluded.enrolled, time = excluded.time`;
      db.prepare(sql).run(enrolled.ak, JSON.stringify(enrolled), now);
    },
    endpoint: (ak) => {
      const row = db.prepare<[string], EndpointRow>('SELECT * FROM endpoints WHERE ak = ?').get(ak);
      const pinned = db
        .prepare<[string], { memory: string }>('SELECT memory FROM pinned WHERE ak = ?')
        .get(ak);
      const kept = row?.memory ?? pinned?.memory;
      if (row === undefined && kept === undefined) return undefined;
      const memory = kept === undefined ? undefined : (JSON.parse(kept) as Memory);
      return { enrolled: row === undefined ? undefined : (JSON.parse(row.enrolled) as Enrolled), memory };
    },
    remember: (ak, memory) => {
      const text = JSON.stringify(memory);
      if (db.prepare('UPDATE endpoints SET memory = ? WHERE ak = ?').run(text, ak).changes > 0) return;
      db.prepare(
        'INSERT INTO pinned VALUES (?, ?) ON CONFLICT (ak) DO UPDATE SET memory = excluded.memory',
      ).run(ak, text);
    },
    addNonce: (nonce, now) => {
      tidy('nonces', now);
      db.prepare('INSERT INTO nonces (nonce, time) VALUES (?, ?)').run(nonce, now);
    },
    takeNonce: (nonce, now) =>
      db.prepare('DELETE FROM nonces WHERE nonce = ? AND time >= ?').run(nonce, now - lifetime).changes === 1,
    book: tokenBook(db),
    close: () => db.close(),
  };
}
