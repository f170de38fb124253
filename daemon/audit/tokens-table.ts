// Tokens that were given out, their uses and revocations, and the proofs that were seen. Small: what has expired is forgotten.
import type { IssuedToken, TokenSelector } from '../model/mod.ts';
import { durably } from './database.ts';
import type { Database } from './database.ts';

const columns = { id: 'jti', session: 'session', agent: 'agent', policy: 'digest' } as const;

export class TokensTable {
  readonly #db: Database;
  readonly #insert;
  readonly #select;
  readonly #live;
  readonly #use;
  readonly #proof;
  readonly #revoke;
  readonly #family;
  /** At most so many are alive, by session: to count them takes a fifth of a millisecond at 900, so it is done when that counts. */
  readonly #atMost = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare<[IssuedToken]>(
      `INSERT INTO tokens VALUES (:jti, :idx, :session, :agent, :digest, :audience, :parent, :details, :purpose,
       :iat, :exp, :uses, :used, :revoked, :why) ON CONFLICT DO NOTHING`,
    );
    this.#select = db.prepare<[string], IssuedToken>('SELECT * FROM tokens WHERE jti = ?');
    this.#live = db.prepare<[string, number], { count: number }>(
      'SELECT count(*) AS count FROM tokens WHERE session = ? AND exp > ? AND revoked = 0',
    );
    this.#use = db.prepare<[string]>(
      'UPDATE tokens SET used = used + 1 WHERE jti = ? AND used < uses AND revoked = 0',
    );
    this.#proof = db.prepare<[string, number]>(
      'INSERT INTO token_proofs VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    this.#revoke = db.prepare<[number, string, string]>(
      'UPDATE tokens SET revoked = ?, why = ? WHERE jti = ? AND revoked = 0',
    );
    this.#family = db.prepare<[string], IssuedToken>(
      `WITH RECURSIVE family (jti) AS (SELECT ? UNION SELECT t.jti FROM tokens t JOIN family f ON t.parent = f.jti)
       SELECT * FROM tokens WHERE jti IN family AND revoked = 0`,
    );
  }

  add(row: IssuedToken): boolean {
    const added = this.#insert.run(row).changes === 1;
    const bound = this.#atMost.get(row.session);
    if (added && bound !== undefined) this.#atMost.set(row.session, bound + 1);
    return added;
  }

  get(jti: string): IssuedToken | undefined {
    return this.#select.get(jti);
  }

  list(selector: TokenSelector, now: number): IssuedToken[] {
    const where = selector.by === 'all' ? '1 = 1 OR ? IS NULL' : `${columns[selector.by]} = ?`;
    const value = selector.by === 'all' ? '' : selector.value;
    return this.#db
      .prepare<[string, number], IssuedToken>(
        `SELECT * FROM tokens WHERE (${where}) AND exp > ? ORDER BY iat DESC, jti LIMIT 100000`,
      )
      .all(value, now);
  }

  hasRoom(session: string, now: number, most: number): boolean {
    if ((this.#atMost.get(session) ?? most) < most) return true;
    const exact = this.#live.get(session, now)?.count ?? 0;
    this.#atMost.set(session, exact);
    return exact < most;
  }

  take(jtis: readonly string[]): boolean {
    const used = this.#db.transaction(() => {
      if (!jtis.every((jti) => this.#use.run(jti).changes === 1)) throw new NoneLeft();
    });
    try {
      used();
      return true;
    } catch (error) {
      if (error instanceof NoneLeft) return false;
      throw error;
    }
  }

  firstProof(id: string, until: number): boolean {
    return this.#proof.run(id, until).changes === 1;
  }

  revoke(jtis: readonly string[], at: number, why: string): IssuedToken[] {
    return durably(this.#db, () =>
      jtis.flatMap((jti) => {
        const family = this.#family.all(jti);
        for (const each of family) this.#revoke.run(at, why, each.jti);
        return family;
      }),
    );
  }

  revokedPlaces(): number[] {
    const sql = 'SELECT idx FROM tokens WHERE revoked > 0';
    return this.#db
      .prepare<[], { idx: number }>(sql)
      .all()
      .map(({ idx }) => idx);
  }

  prune(now: number): void {
    this.#atMost.clear();
    this.#db.transaction(() => {
      this.#db.prepare('DELETE FROM tokens WHERE exp < ?').run(now);
      this.#db.prepare('DELETE FROM token_proofs WHERE until < ?').run(now);
    })();
  }
}

/** Takes back the uses of a transaction that could not take all of them. */
class NoneLeft extends Error {}
