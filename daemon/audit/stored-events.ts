// The text of an entry's event as it was hashed: stored whole, or put together from a template and what is the entry's
// own. Whatever of that somebody changed, the text is another one, and its hash.
import { templateOfPieces } from '../ocsf/mod.ts';
import type { EventTemplate } from '../ocsf/mod.ts';
import type { Database, Statement } from './database.ts';

export interface StoredEvent {
  readonly stream: string;
  readonly seq: number;
  /** Unix ms. */
  readonly time: number;
  /** Null when pruned. What is its own (`ownOf`) when there is a template. */
  readonly event: string | null;
  readonly template: number | null;
}

/** As `storedColumns` are. */
export type StoredRow = [
  stream: string,
  seq: number,
  time: number,
  event: string | null,
  template: number | null,
];

/** Columns of `entries` that a `StoredEvent` is made of. Databases of earlier versions, which verify reads, have no templates. */
export function storedColumns(db: Database): string {
  const sql = `SELECT 1 FROM pragma_table_info('entries') WHERE name = 'template'`;
  return `stream, seq, time, event, ${db.prepare(sql).get() === undefined ? 'NULL AS template' : 'template'}`;
}

/** Templates that are remembered; when there are more, all are forgotten. */
const most = 1024;

export class StoredEvents {
  readonly #db: Database;
  readonly #known = new Map<number, EventTemplate>();
  #select: Statement<[number], string> | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Null when it was pruned; '', which is no event, when its template is not there. */
  text({ stream, seq, time, event, template }: StoredEvent): string | null {
    if (template === null || event === null) return event;
    return this.#template(template)?.text({ id: `${stream}-${seq}`, seq, time, own: event }) ?? '';
  }

  /** Of a row that begins with the stored columns. */
  textOfRow(row: readonly [...StoredRow, ...unknown[]]): string | null {
    const [event, template] = [row[3], row[4]];
    if (template === null || event === null) return event;
    const seq = row[1];
    return this.#template(template)?.text({ id: `${row[0]}-${seq}`, seq, time: row[2], own: event }) ?? '';
  }

  #template(id: number): EventTemplate | undefined {
    return this.#known.get(id) ?? this.#read(id);
  }

  #read(id: number): EventTemplate | undefined {
    if (this.#known.size >= most) this.#known.clear();
    this.#select ??= this.#db.prepare<[number], string>('SELECT pieces FROM templates WHERE id = ?').pluck();
    const pieces = this.#select.get(id);
    const made = pieces === undefined ? undefined : templateOfJson(pieces);
    // One that is not there may be soon: entries come before their reader looks again.
    if (made !== undefined) this.#known.set(id, made);
    return made;
  }
}

function templateOfJson(text: string): EventTemplate | undefined {
  try {
    const pieces: unknown = JSON.parse(text);
    return Array.isArray(pieces) && pieces.every((piece): piece is string => typeof piece === 'string')
      ? templateOfPieces(pieces)
      : undefined;
  } catch {
    return undefined;
  }
}
