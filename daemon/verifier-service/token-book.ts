// What the service knows of tokens: which endpoints were accepted, with which token keys and sessions; what was minted for
// them; what was revoked; what was done. In the service's one SQLite file, which `cordon verifier revoke` opens too.
import type Sqlite from 'better-sqlite3';
import type { EcJwk } from '../evidence/mod.ts';
import { listSize } from '../tokens/mod.ts';

/** What an endpoint last proved. Gone once it proves otherwise. */
export interface Accepted {
  /** Name of the attestation key. */
  readonly ak: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly tpm: 'hardware' | 'software';
  readonly killEpoch: number;
  /** Sessions that ran, each with the digest of its policy. */
  readonly sessions: readonly { readonly id: string; readonly policy: string }[];
  /** Public token keys that were shown to be in its TPM. */
  readonly keys: readonly EcJwk[];
}

export interface MintedToken {
  readonly jti: string;
  /** Place in the status list. */
  readonly idx: number;
  readonly ak: string;
  readonly session: string;
  /** Of the policy the session runs under. */
  readonly digest: string;
  readonly audience: string;
  /** The endpoint's token, and its place in the endpoint's list. */
  readonly parent: string;
  readonly parentIdx: number;
  /** In words. */
  readonly details: string;
  readonly purpose: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp: number;
  readonly uses: number;
  readonly epoch: number;
  /** Unix milliseconds; 0: not revoked. */
  readonly revoked: number;
  readonly why: string;
}

/** One line of what was done, kept for whoever asks later. */
export interface Act {
  /** Unix milliseconds. */
  readonly time: number;
  readonly act: 'mint' | 'refuse' | 'revoke' | 'block' | 'lift';
  readonly ak: string;
  readonly jti: string;
  readonly reason: string;
}

export type Selected = { readonly by: 'jti' | 'ak'; readonly value: string } | { readonly by: 'all' };

export interface TokenBook {
  /** Tokens of sessions that are gone, run under another policy, or are of before a kill end with it. */
  accept(accepted: Accepted): void;
  /** The endpoint proved that it is not what it must be: nothing is minted for it, and what was ends. */
  withdraw(ak: string, why: string, now: number): void;
  acceptedBy(kid: string): Accepted | undefined;
  isBlocked(ak: string): boolean;
  /** An endpoint that an administrator no longer wants: its tokens end. `false` lifts it again. */
  block(ak: string, blocked: boolean, why: string, now: number): void;
  /**
   * One step that cannot be divided: `gone` when the acceptance is no longer the one it rests on, `rate` when the endpoint
   * had so many in the last minute, `taken` when its place in the list is another's.
   */
  mint(token: MintedToken, rests: Accepted, perMinute: number): 'minted' | 'gone' | 'rate' | 'taken';
  /** Not expired, newest first. */
  live(now: number): MintedToken[];
  /** Those that were not revoked before. On the disk when it returns. */
  revoke(selected: Selected, why: string, now: number): string[];
  /** An endpoint's own list: tokens end with those they were made from. False: a newer list was seen before. */
  apply(ak: string, list: { readonly issued: number; isRevoked(idx: number): boolean }, now: number): boolean;
  revokedPlaces(): number[];
  /** True the first time; remembered until `until` (seconds). */
  firstProof(id: string, until: number): boolean;
  /** Refusals are kept at a bounded rate. */
  record(act: Act): void;
  acts(limit: number): Act[];
  /** Forgets what expired before `now` (seconds). */
  prune(now: number): void;
}

const schema = `
CREATE TABLE IF NOT EXISTS accepted (ak TEXT PRIMARY KEY, at INTEGER NOT NULL, tpm TEXT NOT NULL, kill_epoch INTEGER NOT NULL,
  sessions TEXT NOT NULL, keys TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS token_keys (kid TEXT PRIMARY KEY, ak TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lists (ak TEXT PRIMARY KEY, issued INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocked (ak TEXT PRIMARY KEY, why TEXT NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minted (jti TEXT PRIMARY KEY, idx INTEGER NOT NULL UNIQUE, ak TEXT NOT NULL, session TEXT NOT NULL,
  digest TEXT NOT NULL, audience TEXT NOT NULL, parent TEXT NOT NULL, parentIdx INTEGER NOT NULL, details TEXT NOT NULL,
  purpose TEXT NOT NULL, iat INTEGER NOT NULL, exp INTEGER NOT NULL, uses INTEGER NOT NULL, epoch INTEGER NOT NULL,
  revoked INTEGER NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS minted_ak ON minted (ak, iat);
CREATE TABLE IF NOT EXISTS proofs (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS acts (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, act TEXT NOT NULL, ak TEXT NOT NULL,
  jti TEXT NOT NULL, reason TEXT NOT NULL);
`;

/** Refusals a minute that are recorded. */
const maxRefusals = 100;
/** What is kept. Anybody can cause refusals: they push out no other act. */
const kept = [
  ["act = 'refuse'", 10_000],
  ["act <> 'refuse'", 100_000],
] as const;

function trim(db: Sqlite.Database): void {
  for (const [which, most] of kept)
    db.prepare(
      `DELETE FROM acts WHERE ${which} AND id <= (SELECT id FROM acts WHERE ${which} ORDER BY id DESC LIMIT 1 OFFSET ${most})`,
    ).run();
}

interface AcceptedRow {
  readonly ak: string;
  readonly at: number;
  readonly tpm: Accepted['tpm'];
  readonly kill_epoch: number;
  readonly sessions: string;
  readonly keys: string;
}

export function tokenBook(db: Sqlite.Database): TokenBook {
  db.exec(schema);
  const insert = db.prepare<Act>(
    'INSERT INTO acts (time, act, ak, jti, reason) VALUES (:time, :act, :ak, :jti, :reason)',
  );
  const record = (act: Act): void => {
    const { lastInsertRowid } = insert.run({ ...act, reason: act.reason.slice(0, 500) });
    if (Number(lastInsertRowid) % 100 === 0) trim(db);
  };
  let window = { begun: 0, refusals: 0 };
  /** Ends these, each on record. */
  const end = (tokens: readonly MintedToken[], why: string, now: number): string[] =>
    tokens.map(({ jti, ak }) => {
      db.prepare('UPDATE minted SET revoked = ?, why = ? WHERE jti = ?').run(now, why, jti);
      record({ time: now, act: 'revoke', ak, jti, reason: why });
      return jti;
    });
  const openOf = (ak: string): MintedToken[] =>
    db.prepare<[string], MintedToken>('SELECT * FROM minted WHERE ak = ? AND revoked = 0').all(ak);
  const forget = (ak: string): void => {
    db.prepare('DELETE FROM accepted WHERE ak = ?').run(ak);
    db.prepare('DELETE FROM token_keys WHERE ak = ?').run(ak);
  };
  const rowOf = (ak: string): AcceptedRow | undefined =>
    db.prepare<[string], AcceptedRow>('SELECT * FROM accepted WHERE ak = ?').get(ak);
  const isBlocked = (ak: string): boolean =>
    db.prepare('SELECT 1 FROM blocked WHERE ak = ?').get(ak) !== undefined;

  const mint = (token: MintedToken, rests: Accepted, perMinute: number): ReturnType<TokenBook['mint']> => {
    if (rowOf(rests.ak)?.at !== rests.at || isBlocked(rests.ak)) return 'gone';
    const recent = db
      .prepare<[string, number], { n: number }>('SELECT count(*) AS n FROM minted WHERE ak = ? AND iat > ?')
      .get(rests.ak, token.iat - 60);
    if ((recent?.n ?? perMinute) >= perMinute) return 'rate';
    const sql = `INSERT INTO minted VALUES (:jti, :idx, :ak, :session, :digest, :audience, :parent, :parentIdx, :details,
      :purpose, :iat, :exp, :uses, :epoch, :revoked, :why) ON CONFLICT DO NOTHING`;
    if (db.prepare<[MintedToken]>(sql).run(token).changes !== 1) return 'taken';
    const reason = `${token.audience}: ${token.details}`;
    record({ time: token.iat * 1000, act: 'mint', ak: token.ak, jti: token.jti, reason });
    return 'minted';
  };

  return {
    accept: db.transaction(({ ak, at, tpm, killEpoch, sessions, keys }: Accepted) => {
      forget(ak);
      db.prepare('INSERT INTO accepted VALUES (?, ?, ?, ?, ?, ?)').run(
        ...[ak, at, tpm, killEpoch, JSON.stringify(sessions), JSON.stringify(keys)],
      );
      // A key that another accepted machine has shown stays that machine’s.
      for (const { kid } of keys)
        db.prepare('INSERT INTO token_keys VALUES (?, ?) ON CONFLICT DO NOTHING').run(kid, ak);
      const runs = (token: MintedToken): boolean =>
        sessions.some(({ id, policy }) => id === token.session && policy === token.digest);
      const open = openOf(ak);
      end(
        open.filter(({ epoch }) => epoch < killEpoch),
        'everything was killed on its machine',
        at,
      );
      end(
        open.filter((token) => token.epoch >= killEpoch && !runs(token)),
        'its session is over, or under another policy',
        at,
      );
    }),
    withdraw: db.transaction((ak: string, why: string, now: number) => {
      forget(ak);
      end(openOf(ak), why, now);
    }),
    acceptedBy: (kid) => {
      const key = db.prepare<[string], { ak: string }>('SELECT ak FROM token_keys WHERE kid = ?').get(kid);
      const row = key === undefined ? undefined : rowOf(key.ak);
      if (row === undefined) return undefined;
      const { kill_epoch: killEpoch, sessions, keys, ...rest } = row;
      return {
        ...rest,
        killEpoch,
        sessions: JSON.parse(sessions) as Accepted['sessions'],
        keys: JSON.parse(keys) as Accepted['keys'],
      };
    },
    isBlocked,
    block: db.transaction((ak: string, blocked: boolean, why: string, now: number) => {
      record({ time: now, act: blocked ? 'block' : 'lift', ak, jti: '', reason: why });
      if (!blocked) return void db.prepare('DELETE FROM blocked WHERE ak = ?').run(ak);
      db.prepare('INSERT INTO blocked VALUES (?, ?, ?) ON CONFLICT DO NOTHING').run(ak, why, now);
      forget(ak);
      end(openOf(ak), why, now);
    }),
    mint: (token, rests, perMinute) => db.transaction(mint).immediate(token, rests, perMinute),
    live: (now) =>
      db
        .prepare<[number], MintedToken>(
          'SELECT * FROM minted WHERE exp > ? ORDER BY iat DESC, jti LIMIT 10000',
        )
        .all(now),
    revoke: (selected, why, now) =>
      db.transaction(() => {
        const where = selected.by === 'all' ? '? IS NOT NULL' : `${selected.by} = ?`;
        const sql = `SELECT * FROM minted WHERE ${where} AND revoked = 0`;
        const value = selected.by === 'all' ? '' : selected.value;
        return end(db.prepare<[string], MintedToken>(sql).all(value), why, now);
      })(),
    apply: (ak, list, now) =>
      db.transaction(() => {
        const last = db
          .prepare<[string], { issued: number }>('SELECT issued FROM lists WHERE ak = ?')
          .get(ak);
        if (list.issued < (last?.issued ?? 0)) return false;
        const sql = 'INSERT INTO lists VALUES (?, ?) ON CONFLICT (ak) DO UPDATE SET issued = excluded.issued';
        db.prepare(sql).run(ak, list.issued);
        end(
          openOf(ak).filter(({ parentIdx, exp }) => exp * 1000 > now && list.isRevoked(parentIdx)),
          'the token it was made from was revoked on its machine',
          now,
        );
        return true;
      })(),
    revokedPlaces: () =>
      db
        .prepare<[number], { idx: number }>('SELECT idx FROM minted WHERE revoked > 0 AND idx < ?')
        .all(listSize)
        .map(({ idx }) => idx),
    firstProof: (id, until) =>
      db.prepare('INSERT INTO proofs VALUES (?, ?) ON CONFLICT DO NOTHING').run(id, until).changes === 1,
    record: (act) => {
      if (act.time - window.begun > 60_000 || act.time < window.begun)
        window = { begun: act.time, refusals: 0 };
      if (act.act === 'refuse' && ++window.refusals > maxRefusals) return;
      record(act);
    },
    acts: (limit) =>
      db
        .prepare<[number], Act>('SELECT time, act, ak, jti, reason FROM acts ORDER BY id DESC LIMIT ?')
        .all(limit),
    prune: (now) => {
      db.prepare('DELETE FROM minted WHERE exp < ?').run(now);
      db.prepare('DELETE FROM proofs WHERE until < ?').run(now);
    },
  };
}
