// What goes when: by age and class, then by size the oldest that every sink has, then allowed reads (their objects are
// summarised), then as policy says. Gap records never go, nor what no checkpoint covers. Each step is bounded.
import type { RetentionSettings } from '../model/mod.ts';
import { recordOf } from '../ocsf/mod.ts';
import type { Database } from './database.ts';
import type { Log } from './log.ts';
import { takeOut } from './prune.ts';
import type { Candidate, GapFacts } from './prune.ts';
import type { SettingsTable } from './settings-table.ts';
import type { Spool } from './spool.ts';
import { storedColumns, StoredEvents } from './stored-events.ts';
import type { StoredEvent } from './stored-events.ts';

/** Entries looked at in one step. */
const stepSize = 4000;
/** Ranges that one gap record names. */
const maxRanges = 1500;
/** A log above its size shrinks to this part of it, so that not every step has to. */
const target = 0.9;
/** Objects that the summary of reads names. */
const maxObjects = 50;

export interface RetentionParts {
  readonly db: Database;
  readonly log: Log;
  readonly spool: Spool;
  readonly settings: SettingsTable;
}

export interface RetentionState {
  readonly policy: RetentionSettings;
  /** Every sink has the entries up to and with this position; Infinity when there is no sink. */
  readonly confirmed: number;
  /** Entries below this position are covered by a signed checkpoint. */
  readonly signed: number;
  /** Unix ms. */
  readonly now: number;
}

export interface PruneResult {
  readonly pruned: number;
  /** Why nothing more is taken in; undefined when all is well. */
  readonly full: string | undefined;
}

/** Bytes of the database that are in use. */
export function usedBytes(db: Database): number {
  const pragma = (name: string): number => Number(db.pragma(name, { simple: true }));
  return (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
}

/** One bounded step. To be called again while it prunes something. */
export function pruneStep(parts: RetentionParts, state: RetentionState): PruneResult {
  const { policy } = state;
  const aged = byAge(parts, state);
  const limit = policy.size ?? Infinity;
  const used = usedBytes(parts.db);
  const above = used > limit || (used > limit * target && parts.settings.read(shrinking) === '1');
  setShrinking(parts.settings, above);
  if (!above) return { pruned: aged, full: undefined };
  const pruned = aged + forRoom(parts, state, used - limit * target);
  const full = pruned === 0 && used > limit ? `the log takes ${used} bytes, ${limit} are allowed` : undefined;
  return { pruned, full };
}

const shrinking = 'retention.shrinking';
function setShrinking(settings: SettingsTable, value: boolean): void {
  const text = value ? '1' : '0';
  if ((settings.read(shrinking) ?? '0') !== text) settings.write(shrinking, text);
}

/** Classes that are kept equally long go together; each such group remembers how far it is. */
function byAge(parts: RetentionParts, state: RetentionState): number {
  const { keep } = state.policy;
  const spans = new Set(Object.values(keep));
  beginAnew(parts, keep);
  let pruned = 0;
  for (const span of spans) {
    const goes = (each: Candidate): boolean => (keep[each.class] ?? keep['default']) === span;
    pruned += groupByAge(parts, state, span, goes);
  }
  return pruned;
}

const agedOf = (span: number): string => `retention.aged.${span}`;

/** A class may have got a span that others had before: what was passed over for them is looked at again. */
function beginAnew({ settings, log }: RetentionParts, keep: RetentionSettings['keep']): void {
  const text = JSON.stringify(Object.entries(keep).sort(([a], [b]) => (a < b ? -1 : 1)));
  const before = settings.read('retention.keep');
  if (before === text) return;
  const first = log.identity.base - 1;
  for (const span of new Set(Object.values(keep))) {
    const name = agedOf(span);
    if (before !== undefined && Number(settings.read(name) ?? first) > first)
      settings.write(name, String(first));
  }
  settings.write('retention.keep', text);
}

function groupByAge(
  parts: RetentionParts,
  { confirmed, signed, now }: RetentionState,
  span: number,
  goes: (each: Candidate) => boolean,
): number {
  const { db, spool, settings, log } = parts;
  const name = agedOf(span);
  const before = Number(settings.read(name) ?? log.identity.base - 1);
  const gone: Candidate[] = [];
  let cursor = before;
  let waits = false;
  for (const each of candidates(db, before, Math.min(confirmed, signed - 1), stepSize)) {
    // What was pruned before it does not come back: it is not walked over again each time.
    if (!waits) cursor = each.position - 1;
    const old = each.time < now - span;
    if (goes(each) && !old) {
      if (each.time <= now) break;
      // Dated in the future, by a clock that was wrong then or is now: looked past, and at again the next time.
      waits = true;
    }
    if (!waits) cursor = each.position;
    if (goes(each) && old) gone.push(each);
    if (gone.length >= maxRanges) break;
  }
  if (gone.length > 0)
    spool.gap(() => takeOut(parts, { gone, why: `kept for ${days(span)}, as the retention says` }));
  if (cursor !== before) settings.write(name, String(cursor));
  return gone.length;
}

const days = (span: number): string => `${Math.round(span / 86_400_000)} days`;

/** Oldest first; those that are not pruned yet, without gap records. */
function candidates(db: Database, after: number, last: number, limit: number): Candidate[] {
  const sql = `SELECT position, class, disposition, time, length(event) AS bytes FROM entries
    WHERE position > ? AND position <= ? AND event IS NOT NULL AND class <> 'gap' ORDER BY position LIMIT ?`;
  const until = Math.min(last, Number.MAX_SAFE_INTEGER);
  return db.prepare<[number, number, number], Candidate>(sql).all(after, until, limit);
}

/** The first of the steps that finds something. */
function forRoom(parts: RetentionParts, state: RetentionState, bytes: number): number {
  const { confirmed, signed, policy } = state;
  const uploaded = oldest(parts, 'uploaded', Math.min(confirmed, signed - 1), bytes, () => true);
  if (uploaded.gone.length > 0)
    return goneFor(parts, uploaded, 'the oldest events that every sink has, to make room');
  const isRead = (each: Candidate): boolean => each.class === 'read' && each.disposition === 'allowed';
  const reads = oldest(parts, 'reads', signed - 1, bytes, isRead);
  if (reads.gone.length > 0) {
    const why = 'allowed reads that no sink has yet, summarised here, to make room';
    return goneFor(parts, reads, why, summaryOf(parts.db, reads.gone));
  }
  if (policy.whenFull === 'deny') return 0;
  const any = oldest(parts, 'any', signed - 1, bytes, () => true);
  if (any.gone.length === 0) return 0;
  const why = 'the oldest events, although no sink has them yet: there is no room, and policy says overwrite';
  return goneFor(parts, any, why);
}

function goneFor(
  parts: RetentionParts,
  { gone, remember }: Oldest,
  why: string,
  summary: NonNullable<GapFacts['summary']> = {},
): number {
  parts.spool.gap(() => takeOut(parts, { gone, why, summary }));
  remember();
  return gone.length;
}

interface Oldest {
  readonly gone: readonly Candidate[];
  /** That these were looked at: nothing comes back. */
  readonly remember: () => void;
}

/** As many as make room for so many bytes. How far each kind was looked for is remembered by its name. */
function oldest(
  { db, settings, log }: RetentionParts,
  name: string,
  last: number,
  bytes: number,
  goes: (each: Candidate) => boolean,
): Oldest {
  const key = `retention.room.${name}`;
  const before = Number(settings.read(key) ?? log.identity.base - 1);
  const found: Candidate[] = [];
  let cursor = before;
  let room = 0;
  const enough = (): boolean => room >= bytes || found.length >= maxRanges;
  for (let more = true; more && found.length === 0;) {
    const page = candidates(db, cursor, last, stepSize);
    more = page.length === stepSize;
    for (const each of page) {
      if (enough()) break;
      cursor = each.position;
      if (!goes(each)) continue;
      found.push(each);
      room += each.bytes;
    }
  }
  const remember = (): void => {
    if (cursor !== before) settings.write(key, String(cursor));
  };
  return { gone: found, remember };
}

/** What was read, and how often, of reads that go. */
function summaryOf(db: Database, reads: readonly Candidate[]): NonNullable<GapFacts['summary']> {
  const row = db.prepare<[number], StoredEvent>(
    `SELECT ${storedColumns(db)} FROM entries WHERE position = ?`,
  );
  const events = new StoredEvents(db);
  const objects = new Map<string, number>();
  for (const { position } of reads) {
    const found = row.get(position);
    const text = found === undefined ? null : events.text(found);
    const { object, count = 1 } = text === null ? { object: '' } : recordOf(text);
    objects.set(object, (objects.get(object) ?? 0) + count);
  }
  const most = [...objects].sort(([, a], [, b]) => b - a).slice(0, maxObjects);
  return { objects: objects.size, read: most.map(([object, count]) => `${count} ${object}`) };
}
