// The log's side: which entries a sink is given. Bounded in rows looked at and in bytes, so that no request takes long.
import type { SinkFilter } from '../model/mod.ts';
import type { Batch, Checkpoint, Entry } from './entry.ts';

export interface LogEntry extends Entry {
  readonly disposition: string;
  /** Unix time in milliseconds. */
  readonly time: number;
}

/** What is needed of the log. */
export interface EntryLog {
  readonly origin: string;
  /** Entries in the log. */
  size(): number;
  /**
   * At most `limit` entries from position `from` on. Pruned ones are left out: `through` is the position behind the
   * last one looked at.
   */
  entries(from: number, limit: number): { readonly entries: readonly LogEntry[]; readonly through: number };
  /** The latest, and the position behind the last entry it vouches for; undefined: none yet. */
  checkpoint(): (Checkpoint & { readonly end: number }) | undefined;
  consistency(from: number, to: number): readonly Uint8Array[];
  /** Position that the sink is to be sent next. */
  cursor(sink: string): number;
  /** Moves the cursor, and keeps what a witness has signed. */
  acknowledge(
    sink: string,
    next: number,
    cosignatures?: { readonly size: number; readonly lines: string },
  ): void;
}

export interface OfferRequest {
  readonly from: number;
  readonly limit: number;
  /** Size of the latest checkpoint that the sink has; 0: none. */
  readonly checkpoint: number;
}

/** Rows of one look, and of one request. */
const rowsAtOnce = 512;
const rowsInAll = 4096;
/** Bytes of one batch; one entry may be larger. */
const batchBytes = 512 * 1024;

export function offer(log: EntryLog, filter: SinkFilter, request: OfferRequest): Batch {
  const size = log.size();
  const checkpoint = log.checkpoint();
  const taken = take(log, filter, request, size);
  const more = taken.through < size;
  // A checkpoint vouches for what is below it: it travels once all of that has.
  const fresh =
    checkpoint !== undefined && checkpoint.size !== request.checkpoint && checkpoint.end <= taken.through;
  return {
    ...taken,
    more,
    ...(fresh ? { checkpoint: { size: checkpoint.size, note: checkpoint.note } } : {}),
  };
}

function take(
  log: EntryLog,
  filter: SinkFilter,
  { from, limit }: OfferRequest,
  size: number,
): { entries: Entry[]; through: number } {
  const entries: Entry[] = [];
  let through = Math.min(from, size);
  let bytes = 0;
  while (through < size && through - from < rowsInAll) {
    const page = log.entries(through, Math.min(rowsAtOnce, limit - entries.length));
    for (const entry of page.entries) {
      if (!wants(filter, entry)) continue;
      bytes += entry.text.length;
      if (bytes > batchBytes && entries.length > 0) return { entries, through: entry.position };
      entries.push(plain(entry));
    }
    if (page.through <= through) break;
    through = page.through;
    if (entries.length >= limit) break;
  }
  return { entries, through };
}

const wants = ({ classes, verdicts, sessions }: SinkFilter, entry: LogEntry): boolean =>
  (classes === undefined || classes.includes(entry.recordClass)) &&
  (verdicts === undefined || verdicts.some((verdict) => verdict === entry.disposition)) &&
  (sessions === undefined || sessions.includes(entry.session));

const plain = ({ position, uid, session, recordClass, text, leaf, chain }: LogEntry): Entry => ({
  position,
  uid,
  session,
  recordClass,
  text,
  leaf,
  chain,
});
