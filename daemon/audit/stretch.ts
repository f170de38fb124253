// Which positions of the log that grows lie in a span of time.
import type { Database } from './database.ts';

export interface Stretch {
  /** Position of the first, and of the one behind the last. */
  readonly from: number;
  readonly to: number;
}

/** Entries are in the order of arrival: what clocks put in between is in it too. Empty when nothing is from that time. */
export function stretchOf(db: Database, whole: Stretch, since?: number, until?: number): Stretch {
  const at = (sql: string, time: number): number | undefined =>
    db.prepare<[number, number], number>(sql).pluck().get(time, whole.from);
  const first =
    since === undefined
      ? whole.from
      : at('SELECT position FROM entries WHERE time >= ? AND position >= ? ORDER BY time LIMIT 1', since);
  const last =
    until === undefined
      ? whole.to - 1
      : at('SELECT position FROM entries WHERE time < ? AND position >= ? ORDER BY time DESC LIMIT 1', until);
  return first === undefined || last === undefined || last < first
    ? { from: whole.from, to: whole.from }
    : { from: first, to: last + 1 };
}
