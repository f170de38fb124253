// Verifies everything that a database keeps of the log, reading only.
import { recordOf } from '../../ocsf/mod.ts';
import { emptyChain, rootOf, segmentSize } from '../../proof/mod.ts';
import type { IndexRange, Nodes, NoteVerifier } from '../../proof/mod.ts';
import type { CheckpointRow } from '../checkpoints.ts';
import type { Database } from '../database.ts';
import { nodesIn } from '../log.ts';
import { logRows } from '../log-start.ts';
import type { LogRow } from '../log-start.ts';
import { readHead } from '../signed-head.ts';
import type { SignedHead } from '../signed-head.ts';
import { checkAll } from './crew.ts';
import { checkJournals } from './journals.ts';
import { logProblems, rootsAt } from './log-problems.ts';
import type { Problem, VerifiedLog, VerifyResult } from './result.ts';
import { checkHeads, checkKept, originOf } from './signed-heads.ts';
import { openReadOnly } from './stretch.ts';
import type { Stretch } from './stretch.ts';

export interface VerifyRequest {
  readonly database: string;
  /** Public key in use; undefined when it is not known here. */
  readonly publicKey: Uint8Array | undefined;
  readonly witnesses: readonly NoteVerifier[];
  /** A checkpoint that was kept elsewhere: what is here must go on from it. */
  readonly kept?: string;
}

export type Progress = (done: number, total: number) => void;

/** Throws what SQLite throws when the file cannot be read at all. */
export async function verifyDatabase(request: VerifyRequest, progress: Progress): Promise<VerifyResult> {
  const db = openReadOnly(request.database);
  try {
    // What grows meanwhile is looked at up to one moment; what was signed before that is in it.
    const head = readHead(`${request.database}.head`);
    const { rows, checkpoints } = atOneMoment(db);
    const total = rows.reduce((sum, { size }) => sum + size, 0);
    // Between the answers of the threads that check the entries.
    const comparing = checkJournals(db, `${request.database}.redaction-key`);
    // When the rest fails first, nobody waits for it.
    comparing.catch(() => undefined);
    let done = 0;
    const told = (entries: number): void => progress((done += entries), total);
    const logs: VerifiedLog[] = [];
    const problems: Problem[] = [];
    const sum = { entries: 0, pruned: 0 };
    for (const [i, row] of rows.entries()) {
      const own = checkpoints.filter(({ log }) => log === row.number);
      const found = await verifyLog(db, request, { row, rows: own, next: rows[i + 1] }, told);
      logs.push(found.log);
      problems.push(...found.problems);
      sum.entries += found.entries;
      sum.pruned += found.pruned;
    }
    const journals = await comparing;
    problems.push(...headProblems(head, rows.at(-1)), ...journals.problems);
    // What is wrong with a tree is told once.
    if (problems.length === 0) problems.push(...otherTree(db, head, rows.at(-1)));
    return { ok: problems.length === 0, ...sum, journals: journals.count, logs, problems };
  } finally {
    db.close();
  }
}

const atOneMoment = (
  db: Database,
): { readonly rows: readonly LogRow[]; readonly checkpoints: readonly CheckpointRow[] } =>
  db.transaction(() => ({
    rows: logRows(db),
    checkpoints: db.prepare<[], CheckpointRow>('SELECT * FROM checkpoints ORDER BY log, size').all(),
  }))();

/** One log as it was at that moment. */
interface LogThen {
  readonly row: LogRow;
  /** Its checkpoints, by size. */
  readonly rows: readonly CheckpointRow[];
  /** The log that took its place. */
  readonly next: LogRow | undefined;
}

interface Found {
  readonly log: VerifiedLog;
  readonly problems: readonly Problem[];
  readonly entries: number;
  readonly pruned: number;
}

async function verifyLog(
  db: Database,
  { database, publicKey, witnesses, kept }: VerifyRequest,
  { row, rows, next }: LogThen,
  told: (entries: number) => void,
): Promise<Found> {
  const { base, origin, size, reason } = row;
  const sizes = rows.map((each) => each.size);
  const results = await checkAll(database, stretches(row, sizes), told);
  const entries = results.reduce((sum, result) => sum + result.entries, 0);
  const facts = { row, rows, witnesses, roots: rootsAt(results) };
  const heads = checkHeads(facts);
  const missing = Math.max(size, row.signedSize) - entries;
  const gaps = gapsIn(db, origin);
  const own = logProblems({ row, results, gaps: gaps.ranges, missing });
  const given = kept !== undefined && originOf(kept) === origin ? kept : undefined;
  const problems = [
    ...own,
    // A tree that differs is told by the entries when they tell where.
    ...heads.problems.filter(
      ({ kind, from, to }) => kind !== 'checkpoint' || !own.some((p) => p.from <= to && from <= p.to),
    ),
    ...(next === undefined ? gaps.problems : []),
    ...beyond(db, row, next),
    ...(next === undefined ? [] : ended(row, next)),
    ...(given === undefined ? [] : checkKept(given, facts, (at) => rootOf(nodesIn(db, row), at))),
  ];
  const log = {
    origin,
    base,
    size,
    reason,
    checkpoints: rows.length,
    cosignatures: heads.cosignatures,
    ownKey: publicKey !== undefined && Buffer.compare(row.publicKey, publicKey) === 0,
    signed: heads.signed,
  };
  const pruned = results
    .flatMap((result) => result.pruned)
    .reduce((sum, { from, to }) => sum + to - from + 1, 0);
  return { log, problems, entries, pruned };
}

function stretches({ number, base, size }: LogRow, sizes: readonly number[]): Stretch[] {
  const all: Stretch[] = [];
  for (let from = 0; from < size; from += segmentSize) {
    const to = Math.min(from + segmentSize, size);
    const inside = sizes.filter((each) => each > from && each <= to);
    all.push({ log: number, base, from, to, sizes: inside, start: emptyChain });
  }
  return all;
}

/** Entries after the end of a log that the log does not know of. Those of a log that grows meanwhile are its own. */
function beyond(db: Database, row: LogRow, next: LogRow | undefined): Problem[] {
  const sql =
    'SELECT min(position) AS first, max(position) AS last FROM entries WHERE position >= ? AND position < ?';
  const behind = db.prepare<[number, number], { first: number | null; last: number | null }>(sql);
  const found = db.transaction(() => {
    const grown = logRows(db).find(({ number }) => number === row.number)?.size ?? row.size;
    return behind.get(row.base + grown, next?.base ?? Number.MAX_SAFE_INTEGER);
  })();
  if (found?.first === null || found?.last === null || found === undefined) return [];
  const detail = 'the log ends before these: they were put in later';
  return [{ kind: 'insertion', origin: row.origin, from: found.first, to: found.last, detail }];
}

/** A log that another had to follow. */
function ended({ origin, base, size }: LogRow, next: LogRow): Problem[] {
  const detail = `after ${size} entries a new log began, because ${next.reason}`;
  return [{ kind: 'rollback', origin, from: base + size, to: Math.max(base + size, next.base - 1), detail }];
}

/** The file beside the database knows of more than the database has. */
function headProblems(head: SignedHead | string, row: LogRow | undefined): Problem[] {
  if (typeof head === 'string' || row === undefined) return [];
  const { origin, base } = row;
  if (head.number > row.number || (head.number === row.number && head.size > row.size)) {
    const detail = `${head.size} entries of ${head.origin} were signed, the database has ${row.size} of ${origin}`;
    return [
      {
        kind: 'rollback',
        origin,
        from: base + row.size,
        to: Math.max(base + row.size, head.base + head.size - 1),
        detail,
      },
    ];
  }
  return [];
}

/** The file beside the database knows of another tree: whoever made entries anew may have taken checkpoints away. */
function otherTree(db: Database, head: SignedHead | string, row: LogRow | undefined): Problem[] {
  if (typeof head === 'string' || head.number !== row?.number) return [];
  const { origin, base, size } = head;
  if (hasRoot(nodesIn(db, row), head)) return [];
  const detail = `the first ${size} entries are not those that were signed, the head file says`;
  return [{ kind: 'checkpoint', origin, from: base, to: base + size - 1, detail }];
}

function hasRoot(nodes: Nodes, { size, root }: SignedHead): boolean {
  try {
    return rootOf(nodes, size) === root;
  } catch (error) {
    // Nodes are missing.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

interface Gaps {
  /** Of positions, what gap records say is not there any more. */
  readonly ranges: readonly IndexRange[];
  readonly problems: readonly Problem[];
}

/** Each must end with the chain that it names. */
function gapsIn(db: Database, origin: string): Gaps {
  const sql = `SELECT position, event FROM entries WHERE class = 'gap' AND event IS NOT NULL`;
  const chain = db.prepare<[number], Buffer>('SELECT chain FROM entries WHERE position = ?').pluck();
  const ranges: IndexRange[] = [];
  const problems: Problem[] = [];
  for (const { position, event } of db.prepare<[], { position: number; event: string }>(sql).all()) {
    const gap = gapOf(event);
    const last = gap?.ranges.at(-1)?.to;
    if (gap === undefined || last === undefined) continue;
    ranges.push(...gap.ranges);
    if (chain.get(last)?.toString('hex') === gap.lastHash) continue;
    const detail = `the gap record ends with another hash than entry ${last} has`;
    problems.push({ kind: 'gap', origin, from: position, to: position, detail });
  }
  return { ranges, problems };
}

/** Undefined for what is no gap record of this log. */
function gapOf(event: string): { readonly ranges: IndexRange[]; readonly lastHash: string } | undefined {
  try {
    const { kind, operation, detail } = recordOf(event);
    const { ranges, lastHash } = detail ?? {};
    if (kind !== 'log' || operation !== 'gap' || !Array.isArray(ranges) || typeof lastHash !== 'string')
      return undefined;
    const read = (ranges as string[]).map((text) => /^(\d{1,16})-(\d{1,16})$/.exec(text));
    return { ranges: read.map((match) => ({ from: Number(match?.[1]), to: Number(match?.[2]) })), lastHash };
  } catch {
    return undefined;
  }
}
