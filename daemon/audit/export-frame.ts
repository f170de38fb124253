// What goes around exported entries so that the file proves itself (proof/export.ts says the form).
import {
  entryLine,
  formatVerifierKey,
  hashFromBase64,
  hashOf,
  headerLine,
  inclusionProof,
  noteVerifier,
  parseCheckpoint,
  parseNote,
  subtrees,
  subtreesBetween,
  trailerLine,
} from '../proof/mod.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { Database } from './database.ts';
import type { LogEntry } from './entry-source.ts';
import type { Log } from './log.ts';

export interface ExportRequest {
  /** Position of the first entry; at least the base of the log that grows. */
  readonly from: number;
  /** Behind the last. */
  readonly to: number;
  /** Not every entry between them is exported. */
  readonly chosen: boolean;
  readonly host: string;
}

/** Lines, without newlines. */
export interface ExportFrame {
  readonly header: string;
  readonly entry: (entry: LogEntry) => string;
  readonly trailer: string;
  /** Behind the last position that the checkpoint covers: later entries do not belong into this export. */
  readonly end: number;
}

interface Parts {
  readonly db: Database;
  readonly log: Log;
  readonly checkpoints: Checkpoints;
  readonly publicKey: Uint8Array;
}

/** Throws RangeError when the log does not have these positions. */
export function exportFrame(
  { db, log, checkpoints, publicKey }: Parts,
  { from, to, chosen, host }: ExportRequest,
): ExportFrame {
  const checkpoint = checkpoints.sign()?.note;
  const { base, origin } = log.identity;
  const size = checkpoint === undefined ? 0 : parseCheckpoint(parseNote(checkpoint).text).size;
  if (checkpoint === undefined || from < base || to < from || to > base + size)
    throw new RangeError(`this log has the positions from ${base} to ${base + size}`);
  const roots = (trees: ReturnType<typeof subtrees>): string[] =>
    trees.map(({ height, index }) => log.nodes(height, index));
  const before = db
    .prepare<[number], Buffer>('SELECT chain FROM entries WHERE position = ?')
    .pluck()
    .get(from - 1);
  const whole = {
    left: roots(subtrees(from - base)),
    ...(before === undefined || from === base ? {} : { chain: hashOf(before) }),
  };
  const key = formatVerifierKey(noteVerifier(origin, publicKey));
  return {
    header: headerLine({ origin, base, from, to, host, key, ...(chosen ? {} : whole) }),
    entry: ({ position, text, leaf, chain }) =>
      entryLine({
        position,
        ...(text === undefined ? { leaf: hashFromBase64(leaf) ?? '' } : { event: text }),
        ...(chosen
          ? { proof: inclusionProof(log.nodes, position - base, size) }
          : { chain: hashFromBase64(chain) ?? '' }),
      }),
    trailer: trailerLine({
      checkpoint,
      ...(chosen ? {} : { right: roots(subtreesBetween(to - base, size)) }),
    }),
    end: base + size,
  };
}
