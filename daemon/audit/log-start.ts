// Where the log goes on when the daemon starts, or why it cannot: what was signed must be a beginning of what is kept.
// When it is not (an old database was put back, the file with the signed head is lost, another key), nothing is ever
// signed again under the old name: a new log begins, and its first record says why.
import { closeSync, openSync, readSync } from 'node:fs';
import { CordonError } from '../model/mod.ts';
import { emptyRoot, hashBytes, hashOf, rootOf } from '../proof/mod.ts';
import type { Hash } from '../proof/mod.ts';
import { durably } from './database.ts';
import type { Database } from './database.ts';
import { emptyState, Log, nodesIn } from './log.ts';
import type { LogIdentity, LogState } from './log.ts';
import { readHead, writeHead } from './signed-head.ts';
import type { SignedHead } from './signed-head.ts';
import type { Signer } from './signer.ts';

export interface LogRow extends LogIdentity, LogState {
  readonly publicKey: Uint8Array;
  readonly signedSize: number;
  readonly signedRoot: Hash;
  readonly reason: string;
}

interface Raw {
  readonly number: number;
  readonly origin: string;
  readonly public_key: Buffer;
  readonly base: number;
  readonly size: number;
  readonly chain: Buffer;
  readonly records: number;
  readonly denied: number;
  readonly signed_size: number;
  readonly signed_root: Buffer;
  readonly reason: string;
}

/** Every log of the database, the first first. */
export function logRows(db: Database): LogRow[] {
  const rows = db.prepare<[], Raw>('SELECT * FROM logs ORDER BY number').all();
  return rows.map(({ public_key, chain, signed_size, signed_root, ...rest }) => ({
    ...rest,
    publicKey: public_key,
    chain: hashOf(chain),
    signedSize: signed_size,
    signedRoot: hashOf(signed_root),
  }));
}

export interface StartedLog {
  readonly log: Log;
  /** Why it is a new one; undefined when it goes on, or is the first. */
  readonly broken: string | undefined;
}

export interface LogPlace {
  readonly db: Database;
  readonly signer: Signer;
  readonly headFile: string;
  /** Unix ms. */
  readonly now: () => number;
}

/** Throws CordonError when the head cannot be written. */
export function startLog(place: LogPlace): StartedLog {
  const { db, signer, headFile } = place;
  const last = logRows(db).at(-1);
  const head = readHead(headFile);
  if (last === undefined && (head === 'missing' || (head !== 'unreadable' && head.size === 0))) {
    const [number, base] = head === 'missing' ? [1, 0] : [head.number, head.base];
    return {
      log: begin(place, { number, base, origin: `${signer.keyName}/${number}` }, ''),
      broken: undefined,
    };
  }
  const broken = last === undefined ? 'the database is gone' : breach(db, signer, last, head);
  if (last !== undefined && broken === undefined) {
    // A new log whose first record is not there yet still has to say why it began.
    const untold = last.size === 0 && last.reason !== '' ? last.reason : undefined;
    return { log: new Log(db, last, last), broken: untold };
  }
  const reason = broken ?? '';
  const identity = successor(place, last, head);
  return { log: begin(place, identity, reason), broken: reason };
}

/** Why the log cannot go on. */
function breach(
  db: Database,
  signer: Signer,
  last: LogRow,
  head: ReturnType<typeof readHead>,
): string | undefined {
  if (head === 'missing') return 'the file with the last signed head is missing';
  if (head === 'unreadable') return 'the file with the last signed head cannot be read';
  if (last.origin !== `${signer.keyName}/${last.number}`) return 'the key that signs is another one';
  if (head.origin !== last.origin || head.base !== last.base)
    return `the last signed head is of log ${head.origin}, the database ends with ${last.origin}`;
  if (head.size > last.size)
    return `the database was put back: ${head.size} entries were signed, it has ${last.size}`;
  return contradiction(db, last, head);
}

/** Between what was signed and the entries that are there. */
function contradiction(db: Database, last: LogRow, head: SignedHead): string | undefined {
  const end = db
    .prepare<[number], number | null>('SELECT max(position) FROM entries WHERE position >= ?')
    .pluck()
    .get(last.base);
  const entries = end === null || end === undefined ? 0 : end + 1 - last.base;
  if (entries !== last.size && last.size > 0)
    return `the database says it has ${last.size} entries of this log, and has ${entries}`;
  try {
    return afterAll(db, () => contradictionOfTree(db, last, head));
  } catch (error) {
    // A disk that does not answer says nothing of the log: it is for another start to tell.
    if (isDiskError(error)) throw error;
    return `the tree cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function contradictionOfTree(db: Database, last: LogRow, head: SignedHead): string | undefined {
  const nodes = nodesIn(db, last);
  if (rootOf(nodes, head.size) !== head.root) return changed(head.size);
  if (last.signedSize <= last.size && rootOf(nodes, last.signedSize) !== last.signedRoot)
    return changed(last.signedSize);
  rootOf(nodes, last.size);
  return undefined;
}

/**
 * SQLite calls a page damaged that the disk did not give it (EIO is SQLITE_CORRUPT to whoever asks). So what is called damaged
 * is read as a file, which throws when that is the disk's doing, and the question is asked once more.
 */
function afterAll<T>(db: Database, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (!hasCode(error, /^SQLITE_CORRUPT/)) throw error;
    readWhole(db.name);
    return ask();
  }
}

/** Throws what the disk says. */
function readWhole(path: string): void {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(2 ** 20);
    for (let at = 0, read = 1; read > 0; at += read) read = readSync(fd, buffer, 0, buffer.length, at);
  } finally {
    closeSync(fd);
  }
}

const hasCode = (error: unknown, pattern: RegExp): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && pattern.test(error.code);

/** The file could not be read or written. Damage in what was read is another thing. */
const isDiskError = (error: unknown): boolean =>
  hasCode(error, /^(SQLITE_(IOERR|FULL|BUSY|LOCKED|NOMEM|CANTOPEN)|EIO$|ENOSPC$|EACCES$|EMFILE$|ENFILE$)/);

const changed = (size: number): string => `the first ${size} entries are not those that were signed`;

/** A name that nothing was ever signed under, and positions that no entry ever had. */
function successor(
  { db, signer, now }: LogPlace,
  last: LogRow | undefined,
  head: ReturnType<typeof readHead>,
): LogIdentity {
  const known = typeof head === 'string' ? undefined : head;
  const next = Math.max(last?.number ?? 0, known?.number ?? 0) + 1;
  // Without the head nobody knows which numbers were used since: the time is one that was not.
  const number = known === undefined ? Math.max(next, Math.floor(now() / 1000)) : next;
  const end = db.prepare<[], number | null>('SELECT max(position) FROM entries').pluck().get() ?? -1;
  const ends = [last, known].map((each) => (each === undefined ? 0 : each.base + each.size));
  return { number, base: Math.max(end + 1, ...ends), origin: `${signer.keyName}/${number}` };
}

/** The head comes first: a database without this log, beside it, is one that was put back. */
function begin({ db, signer, headFile }: LogPlace, identity: LogIdentity, reason: string): Log {
  try {
    writeHead(headFile, { ...identity, size: 0, root: emptyRoot });
  } catch (error) {
    throw new CordonError('unavailable', `cannot write ${headFile}: ${String(error)}`, {
      fix: 'make room on its file system and start again',
      cause: error,
    });
  }
  durably(db, () =>
    db
      .prepare<[number, string, Uint8Array, number, Buffer, Buffer, string]>(
        `INSERT INTO logs (number, origin, public_key, base, size, chain, signed_root, reason)
         VALUES (?, ?, ?, ?, 0, ?, ?, ?)`,
      )
      .run(
        identity.number,
        identity.origin,
        signer.publicKey,
        identity.base,
        hashBytes(emptyState.chain),
        hashBytes(emptyRoot),
        reason,
      ),
  );
  return new Log(db, identity, emptyState);
}
