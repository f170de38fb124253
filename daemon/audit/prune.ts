// Takes events out of the log and says so in the log: their bytes go, their hashes stay, and a gap record tells which,
// of what classes, why, and the chain at the end of them. All in one transaction that is on the disk when it returns.
import type { NewRecord } from '../model/mod.ts';
import { hexOf, hashOf } from '../proof/mod.ts';
import type { Database } from './database.ts';
import type { Log } from './log.ts';

export interface Candidate {
  readonly position: number;
  readonly class: string;
  readonly disposition: string;
  readonly time: number;
  readonly bytes: number;
}

export interface GapFacts {
  /** Ascending. */
  readonly gone: readonly Candidate[];
  /** In words, for the record. */
  readonly why: string;
  /** What is said of those that go beside their number. */
  readonly summary?: Readonly<Record<string, string | number | readonly string[]>>;
}

/** `first-last`, positions of events that stood side by side. */
function rangesOf(gone: readonly Candidate[]): string[] {
  const ranges: { from: number; to: number }[] = [];
  for (const { position } of gone) {
    const last = ranges.at(-1);
    if (last?.to === position - 1) last.to = position;
    else ranges.push({ from: position, to: position });
  }
  return ranges.map(({ from, to }) => `${from}-${to}`);
}

function countsOf(gone: readonly Candidate[]): string[] {
  const counts = new Map<string, number>();
  for (const { class: each } of gone) counts.set(each, (counts.get(each) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `${name} ${count}`);
}

const rest = 'position, stream, seq, part, settled, subject, time, class, disposition, leaf, chain';

/** Deleted and put back without event and template: SQLite joins pages that became empty only when rows are deleted. */
function emptied(db: Database): (position: number) => void {
  const read = db.prepare<[number], Record<string, unknown>>(
    `SELECT ${rest} FROM entries WHERE position = ?`,
  );
  const drop = db.prepare<[number]>('DELETE FROM entries WHERE position = ?');
  const names = rest.replaceAll(/\w+/g, ':$&');
  const put = db.prepare<[Record<string, unknown>]>(`INSERT INTO entries (${rest}) VALUES (${names})`);
  return (position) => {
    const row = read.get(position);
    if (row === undefined) return;
    drop.run(position);
    put.run(row);
  };
}

/** Only within the transaction that appends the record it returns. */
export function takeOut(
  { db, log }: { readonly db: Database; readonly log: Log },
  { gone, why, summary = {} }: GapFacts,
): NewRecord {
  const [first, last] = [gone[0], gone.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError('nothing is to go');
  const rows = emptied(db);
  for (const { position } of gone) rows(position);
  log.templates.drop(gone.map(({ position }) => position));
  const sql = 'SELECT chain FROM entries WHERE position = ?';
  const chain = db.prepare<[number], Buffer>(sql).pluck().get(last.position);
  return {
    kind: 'log',
    operation: 'gap',
    object: `${gone.length} events`,
    disposition: 'observed',
    layer: 'daemon',
    reason: why,
    count: gone.length,
    detail: {
      ranges: rangesOf(gone),
      classes: countsOf(gone),
      lastHash: chain === undefined ? '' : hexOf(hashOf(chain)),
      firstTime: first.time,
      lastTime: last.time,
      ...summary,
    },
  };
}
