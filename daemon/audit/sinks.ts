// What each sink has confirmed. An acknowledgement means: the sink has said that it keeps every entry up to and with
// this position that its filter lets through. Only then may they be pruned here.
import type { Database, Statement } from './database.ts';

export interface SinkRow {
  readonly sink: string;
  readonly position: number;
  /** Unix ms, of the latest acknowledgement. */
  readonly time: number;
}

export class Sinks {
  readonly #all: Statement<[], SinkRow>;
  readonly #set: Statement<[string, number, number]>;
  readonly #now: () => number;

  constructor(db: Database, now: () => number) {
    this.#now = now;
    this.#all = db.prepare('SELECT sink, position, time FROM sinks ORDER BY sink');
    this.#set = db.prepare(
      `INSERT INTO sinks (sink, position, time) VALUES (?, ?, ?) ON CONFLICT (sink) DO UPDATE
       SET position = max(position, excluded.position), time = excluded.time`,
    );
  }

  /** It only grows. */
  acknowledge(sink: string, position: number): void {
    this.#set.run(sink, position, this.#now());
  }

  all(): SinkRow[] {
    return this.#all.all();
  }

  /** Where a sink goes on; -1 for one that never confirmed anything. */
  position(sink: string): number {
    return this.all().find((row) => row.sink === sink)?.position ?? -1;
  }

  /** All of these sinks have everything up to and with this position; Infinity when there are none. */
  confirmedBy(sinks: readonly string[]): number {
    return Math.min(Infinity, ...sinks.map((sink) => this.position(sink)));
  }
}
