// Which positions of the log that grows lie in a span of time.
import type { Database } from './database.ts';
import { segmentSize } from './offsets.ts';

export interface Stretch {
  /** Position of the first, and of the one behind the last. */
  readonly from: number;
  readonly to: number;
}

/**
 * Entries are in the order of arrival: what clocks and other sessions put in between is in it too. Empty when nothing is
 * from that time.
 */
export function stretchOf(db: Database, whole: Stretch, since?: number, until?: number): Stretch {
  const first = since === undefined ? whole.from : edge(db, whole.from, { sort: 'first', time: since });
  const last = until === undefined ? whole.to - 1 : edge(db, whole.from, { sort: 'last', time: until });
  return first === undefined || last === undefined || last < first
    ? { from: whole.from, to: whole.from }
    : { from: first, to: last + 1 };
}

interface Edge {
  readonly sort: 'first' | 'last';
  /** Of the first and those after it: from this time on. Of the last and those before it: earlier. */
  readonly time: number;
}

const words = {
  first: { of: 'latest', than: '>=', order: 'ASC', further: Math.min },
  last: { of: 'earliest', than: '<', order: 'DESC', further: Math.max },
} as const;

/**
 * The furthest position with such a time: not that of the nearest time, for sessions are taken in one after the other. The
 * index says which segment it is in; that one is looked through, and what is not in the index yet.
 */
function edge(db: Database, from: number, { sort, time }: Edge): number | undefined {
  const { of, than, order, further } = words[sort];
  const nearest = db
    .prepare<[number, number], number>(
      `SELECT position FROM entries WHERE time ${than} ? AND position >= ? ORDER BY time ${order} LIMIT 1`,
    )
    .pluck()
    .get(time, from);
  if (nearest === undefined) return undefined;
  const segments = db
    .prepare<[number], number>(`SELECT segment FROM segments WHERE ${of} ${than} ? ORDER BY segment ${order}`)
    .pluck()
    .all(time)
    .map((segment) => [segment * segmentSize, (segment + 1) * segmentSize] as const);
  const indexed = db.prepare<[], number | null>('SELECT max(segment) FROM segments').pluck().get() ?? -1;
  const rest = [(indexed + 1) * segmentSize, Number.MAX_SAFE_INTEGER] as const;
  const within = db
    .prepare<[number, number, number], number>(
      `SELECT position FROM entries WHERE position >= ? AND position < ? AND +time ${than} ? ORDER BY position ${order} LIMIT 1`,
    )
    .pluck();
  for (const [low, high] of sort === 'first' ? [...segments, rest] : [rest, ...segments]) {
    const found = high <= from ? undefined : within.get(Math.max(low, from), high, time);
    if (found !== undefined) return further(found, nearest);
  }
  return nearest;
}
