// Signed checkpoints of the log. The order is what keeps two that contradict each other from ever being signed: the
// entries and the head are on the disk, in the database and in a file beside it, before the key is used.
import { formatCheckpoint, hashBytes, parseNote, signNote } from '../proof/mod.ts';
import { durably } from './database.ts';
import type { Database, Statement } from './database.ts';
import type { Log } from './log.ts';
import { writeHead } from './signed-head.ts';
import type { Signer } from './signer.ts';

export interface CheckpointRow {
  readonly log: number;
  readonly size: number;
  /** Unix ms. */
  readonly time: number;
  /** C2SP signed note. */
  readonly note: string;
}

export class Checkpoints {
  readonly #db: Database;
  readonly #log: Log;
  readonly #signer: Signer;
  readonly #headFile: string;
  readonly #now: () => number;
  readonly #insert: Statement<[number, number, number, string]>;
  readonly #mark: Statement<[number, Buffer, number]>;
  #last: CheckpointRow | undefined;
  #lastTime: number;
  /** Told of each that is signed. */
  onSigned: () => void = () => undefined;

  constructor(db: Database, log: Log, signer: Signer, headFile: string, now: () => number) {
    this.#db = db;
    this.#log = log;
    this.#signer = signer;
    this.#headFile = headFile;
    this.#now = now;
    this.#insert = db.prepare(
      'INSERT INTO checkpoints (log, size, time, note) VALUES (?, ?, ?, ?) ON CONFLICT (log, size) DO NOTHING',
    );
    this.#mark = db.prepare('UPDATE logs SET signed_size = ?, signed_root = ? WHERE number = ?');
    const latest = 'SELECT * FROM checkpoints WHERE log = ? ORDER BY size DESC LIMIT 1';
    this.#last = db.prepare<[number], CheckpointRow>(latest).get(log.identity.number);
    this.#lastTime = now();
  }

  /** The latest, which may be behind the log. */
  get latest(): CheckpointRow | undefined {
    return this.#last;
  }

  /** There are entries that no checkpoint covers. */
  get behind(): boolean {
    return this.#log.size > (this.#last?.size ?? 0);
  }

  /** The key cannot be used now: what is due waits. */
  get locked(): boolean {
    return this.#signer.problem?.() !== undefined;
  }

  /** Unix ms of the latest, or of the start. */
  get time(): number {
    return this.#lastTime;
  }

  /** Signs what is due, and the head as it is now. The latest when nothing is new. Throws while the key is locked. */
  sign(): CheckpointRow | undefined {
    this.#lastTime = this.#now();
    if (!this.behind) return this.#last;
    const problem = this.#signer.problem?.();
    if (problem !== undefined) throw problem;
    const { identity, due } = this.#log;
    const head = this.#log.head();
    durably(this.#db, () => this.#mark.run(head.size, hashBytes(head.root), identity.number));
    writeHead(this.#headFile, { ...identity, size: head.size, root: head.root });
    const heads = [...due.filter(({ size }) => size < head.size), head];
    const rows = heads.map(({ size, root }) => {
      const note = signNote(formatCheckpoint({ origin: identity.origin, size, root }), {
        name: identity.origin,
        publicKey: this.#signer.publicKey,
        sign: this.#signer.sign,
      });
      return { log: identity.number, size, time: this.#lastTime, note };
    });
    this.#db.transaction(() => {
      for (const { log, size, time, note } of rows) this.#insert.run(log, size, time, note);
    })();
    this.#log.signed(head.size);
    this.#last = rows.at(-1);
    this.onSigned();
    return this.#last;
  }

  /**
   * Adds signature lines of witnesses to a checkpoint; those that are there already are not added again. False when
   * there is no such checkpoint.
   */
  cosigned(size: number, lines: string): boolean {
    const { number } = this.#log.identity;
    const select = 'SELECT * FROM checkpoints WHERE log = ? AND size = ?';
    const row = this.#db.prepare<[number, number], CheckpointRow>(select).get(number, size);
    if (row === undefined) return false;
    const fresh = lines
      .split('\n')
      .filter((line) => line !== '' && !row.note.includes(`${line}\n`))
      .map((line) => `${line}\n`);
    const note = row.note + fresh.join('');
    parseNote(note);
    const update = 'UPDATE checkpoints SET note = ? WHERE log = ? AND size = ?';
    this.#db.prepare<[string, number, number]>(update).run(note, number, size);
    if (this.#last?.size === size) this.#last = { ...row, note };
    return true;
  }
}
