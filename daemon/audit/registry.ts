// Every session there is or was, so that a restarted daemon knows what to expect back.
import { open } from 'node:fs/promises';
import type { Database, Statement } from './database.ts';
import type { ArgumentsRedactor } from './redactor.ts';
import { settingsTable } from './settings-table.ts';

export type SessionState = 'starting' | 'running' | 'frozen' | 'ended' | 'killed';

/** What does not change while a session runs, besides what the supervisor reports back. */
export interface SessionFacts {
  readonly user: string;
  readonly gid: number;
  /** Byte path. */
  readonly home: string;
  readonly profile: string;
  readonly profileVersion: number;
  /** In force. */
  readonly mode: string;
  /** Asked for at launch; empty: the profile's. */
  readonly requestedMode: string;
  /** Byte path, one char a byte. */
  readonly workspace: string;
  /** As it may be kept: redacted. */
  readonly argv: readonly string[];
  /** Of the agent, as its caller said; not known in rows of earlier versions. */
  readonly agentVersion?: string;
  readonly supervisorPid: number;
  /** Field 22 of /proc/<pid>/stat: tells a process from a later one that has its number. */
  readonly supervisorStart: string;
  readonly initPid: number;
  readonly initStart: string;
  readonly generation: number;
  /** Of the policy the session runs under. */
  readonly policyDigest: string;
  readonly layers: readonly {
    readonly layer: string;
    readonly effective: boolean;
    readonly detail: string;
  }[];
  readonly exitCode: number;
  readonly endReason: string;
  /** Frozen by an administrator: only an administrator resumes it. */
  readonly frozenByAdmin: boolean;
}

export interface SessionRow {
  readonly session: string;
  readonly uid: number;
  readonly owner: number;
  readonly state: SessionState;
  /** Unix ms. */
  readonly started: number;
  readonly ended: number;
  readonly allowed: number;
  readonly denied: number;
  readonly facts: SessionFacts;
}

type Raw = Omit<SessionRow, 'facts'> & { readonly facts: string };
const parsed = (raw: Raw): SessionRow => ({ ...raw, facts: JSON.parse(raw.facts) as SessionFacts });

export class Registry {
  readonly #db: Database;
  readonly #insert: Statement<[Record<string, unknown>]>;
  readonly #insertJournal: Statement<[string, string]>;
  readonly #update: Statement<[string, number, string, string]>;
  readonly #redact: ArgumentsRedactor;
  #told: (session: string) => void = () => undefined;

  constructor(db: Database, redact: ArgumentsRedactor) {
    this.#db = db;
    this.#redact = redact;
    this.#insert = db.prepare(
      `INSERT INTO sessions (session, uid, owner, state, started, ended, facts)
       VALUES (:session, :uid, :owner, :state, :started, :ended, :facts)`,
    );
    this.#insertJournal = db.prepare('INSERT OR IGNORE INTO journals (session, path) VALUES (?, ?)');
    this.#update = db.prepare('UPDATE sessions SET state = ?, ended = ?, facts = ? WHERE session = ?');
  }

  /** With the journal that it will write; both or neither. */
  add(row: SessionRow, journalPath: string): void {
    const { session } = row;
    this.#db.transaction(() => {
      this.#insert.run({ ...row, facts: this.#kept(row.facts) });
      this.#insertJournal.run(session, journalPath);
    })();
  }

  /**
   * Resolves when what was added is on the disk, and keeps nobody waiting meanwhile. No session's command starts before:
   * after a power cut nobody would look at a journal that is not known.
   */
  async durable(): Promise<void> {
    const wal = await open(`${this.#db.name}-wal`, 'r');
    try {
      await wal.datasync();
    } finally {
      await wal.close();
    }
  }

  /** Calls back with the session that changed; the last to ask is told. */
  onUpdate(told: (session: string) => void): void {
    this.#told = told;
  }

  update(session: string, state: SessionState, ended: number, facts: SessionFacts): void {
    this.#update.run(state, ended, this.#kept(facts), session);
    this.#told(session);
  }

  /** What earlier versions kept as it was given is redacted, once; its bytes leave the file. */
  redactEarlier(): void {
    const settings = settingsTable(this.#db);
    if (settings.read(redacted) !== undefined) return;
    this.#db.pragma('secure_delete = ON');
    const rows = this.#db.prepare<[], Raw>('SELECT * FROM sessions').all().map(parsed);
    this.#db.transaction(() => {
      for (const { session, state, ended, facts } of rows)
        if (this.#redact(facts.argv) !== facts.argv)
          this.#update.run(state, ended, this.#kept(facts), session);
    })();
    this.#db.pragma('wal_checkpoint(TRUNCATE)');
    this.#db.pragma('secure_delete = OFF');
    settings.write(redacted, '1');
  }

  get(session: string): SessionRow | undefined {
    const raw = this.#db.prepare<[string], Raw>('SELECT * FROM sessions WHERE session = ?').get(session);
    return raw === undefined ? undefined : parsed(raw);
  }

  /** Sessions that have not wholly ended, oldest first. */
  live(): SessionRow[] {
    const sql = 'SELECT * FROM sessions WHERE ended = 0 ORDER BY started';
    return this.#db.prepare<[], Raw>(sql).all().map(parsed);
  }

  /** Sessions that `owner` asked for, latest first. */
  ownedBy(owner: number, limit: number): string[] {
    const sql = 'SELECT session FROM sessions WHERE owner = ? ORDER BY started DESC LIMIT ?';
    return this.#db
      .prepare<[number, number], { session: string }>(sql)
      .all(owner, limit)
      .map(({ session }) => session);
  }

  /** Live ones, then the latest that ended, `limit` in all. */
  recent(limit: number): SessionRow[] {
    const sql = 'SELECT * FROM sessions ORDER BY ended = 0 DESC, started DESC LIMIT ?';
    return this.#db.prepare<[number], Raw>(sql).all(limit).map(parsed);
  }

  #kept(facts: SessionFacts): string {
    return JSON.stringify({ ...facts, argv: this.#redact(facts.argv) });
  }
}

/** Setting: command lines of all sessions have passed the redaction. */
const redacted = 'sessions.arguments-redacted';
