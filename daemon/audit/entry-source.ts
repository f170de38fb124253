// Entries of the log in their order, for what reads all of it: uploads and exports.
import { base64Of, hashOf } from '../proof/mod.ts';
import type { Database, Statement } from './database.ts';
import { StoredEvents } from './stored-events.ts';
import type { StoredEvent } from './stored-events.ts';

export interface LogEntry {
  readonly position: number;
  /** `metadata.uid` of the event. */
  readonly uid: string;
  /** Session it is about; 'daemon' when about none. */
  readonly subject: string;
  readonly class: string;
  readonly disposition: string;
  /** Unix ms. */
  readonly time: number;
  /** Canonical text of the event; undefined when it was pruned. */
  readonly text: string | undefined;
  /** Base64. */
  readonly leaf: string;
  /** Base64. */
  readonly chain: string;
}

export interface EntriesRequest {
  /** The first is the one behind this position; -1 for all. */
  readonly after: number;
  readonly limit: number;
  /** Undefined: of all classes. */
  readonly classes?: readonly string[];
}

interface Row extends StoredEvent {
  readonly position: number;
  readonly part: number;
  readonly subject: string;
  readonly class: string;
  readonly disposition: string;
  readonly leaf: Buffer;
  readonly chain: Buffer;
}

const columns =
  'position, stream, seq, part, subject, time, class, disposition, leaf, chain, event, template';

export const uidOf = ({ stream, seq, part }: Pick<Row, 'stream' | 'seq' | 'part'>): string =>
  `${stream}-${seq}${part === 1 ? '.outcome' : ''}`;

export class EntrySource {
  readonly #events: StoredEvents;
  readonly #all: Statement<[number, number], Row>;
  readonly #some: Statement<[number, string, number], Row>;

  constructor(db: Database) {
    this.#events = new StoredEvents(db);
    this.#all = db.prepare(`SELECT ${columns} FROM entries WHERE position > ? ORDER BY position LIMIT ?`);
    this.#some = db.prepare(
      `SELECT ${columns} FROM entries WHERE position > ? AND class IN (SELECT value FROM json_each(?))
       ORDER BY position LIMIT ?`,
    );
  }

  read({ after, limit, classes }: EntriesRequest): LogEntry[] {
    const rows =
      classes === undefined
        ? this.#all.all(after, limit)
        : this.#some.all(after, JSON.stringify(classes), limit);
    return rows.map((row) => ({
      position: row.position,
      uid: uidOf(row),
      subject: row.subject,
      class: row.class,
      disposition: row.disposition,
      time: row.time,
      text: this.#events.text(row) ?? undefined,
      leaf: base64Of(hashOf(row.leaf)),
      chain: base64Of(hashOf(row.chain)),
    }));
  }
}
