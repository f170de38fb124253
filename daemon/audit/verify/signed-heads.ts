// Checks the checkpoints of a log: their form, their signatures, and that the entries have the tree that was signed.
import { noteVerifier, openNote, parseCheckpoint, parseNote } from '../../proof/mod.ts';
import type { Checkpoint, Hash, NoteVerifier } from '../../proof/mod.ts';
import type { CheckpointRow } from '../checkpoints.ts';
import type { LogRow } from '../log-start.ts';
import type { Problem, ProblemKind } from './result.ts';

export interface HeadFacts {
  readonly row: LogRow;
  readonly rows: readonly CheckpointRow[];
  readonly witnesses: readonly NoteVerifier[];
  /** Root of the tree at each size of a checkpoint. */
  readonly roots: ReadonlyMap<number, Hash>;
}

export interface HeadFindings {
  readonly problems: readonly Problem[];
  readonly cosignatures: number;
  /** The largest size whose signature and root hold. */
  readonly signed: number;
}

type Opened = { readonly checkpoint: Checkpoint; readonly cosignatures: number } | { readonly why: string };

function open(row: CheckpointRow, { row: log, witnesses }: HeadFacts): Opened {
  try {
    const own = noteVerifier(log.origin, log.publicKey);
    const { text, verified } = openNote(row.note, [own, ...witnesses]);
    const checkpoint = parseCheckpoint(text);
    if (!verified.some(({ verifier }) => verifier === own))
      return { why: 'the log’s own signature is missing' };
    if (checkpoint.origin !== log.origin || checkpoint.size !== row.size)
      return { why: 'it is the checkpoint of another log or size' };
    return { checkpoint, cosignatures: verified.length - 1 };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

/** What is wrong with a tree is told once: where the last sound checkpoint ends and the first other one. */
export function checkHeads(facts: HeadFacts): HeadFindings {
  const { row: log, rows, roots } = facts;
  const problems: Problem[] = [];
  const problem = (kind: ProblemKind, from: number, to: number, detail: string): void => {
    problems.push({
      kind,
      origin: log.origin,
      from: log.base + from,
      to: log.base + Math.max(from, to),
      detail,
    });
  };
  let [cosignatures, signed, differs] = [0, 0, false];
  for (const row of rows) {
    const opened = open(row, facts);
    if ('why' in opened) {
      problem('checkpoint', row.size - 1, row.size - 1, `the checkpoint of size ${row.size}: ${opened.why}`);
      continue;
    }
    cosignatures += opened.cosignatures;
    const root = roots.get(row.size);
    if (root === opened.checkpoint.root) signed = row.size;
    else if (row.size > log.size)
      problem('truncation', log.size, row.size - 1, `${row.size} entries were signed, ${log.size} are there`);
    else if (!differs) {
      differs = true;
      const detail = `the first ${row.size} entries are not those that were signed; the first ${signed} are`;
      problem('checkpoint', signed, row.size - 1, detail);
    }
  }
  return { problems, cosignatures, signed };
}

/** A checkpoint that somebody else kept, against what is here. */
export function checkKept(
  note: string,
  { row: log, witnesses }: HeadFacts,
  rootOf: (size: number) => Hash | undefined,
): Problem[] {
  const { origin, base } = log;
  const told = (kind: ProblemKind, from: number, to: number, detail: string): Problem[] => [
    { kind, origin, from: base + from, to: base + to, detail },
  ];
  const opened = openNote(note, [noteVerifier(origin, log.publicKey), ...witnesses]);
  const { size, root } = parseCheckpoint(opened.text);
  if (size > log.size)
    return told(
      'rollback',
      log.size,
      size - 1,
      `the checkpoint given has ${size} entries, here are ${log.size}`,
    );
  if (rootOf(size) === root) return [];
  return told('checkpoint', 0, size - 1, `the first ${size} entries are not those of the checkpoint given`);
}

/** Undefined when the note is of no such form. */
export function originOf(note: string): string | undefined {
  try {
    return parseCheckpoint(parseNote(note).text).origin;
  } catch {
    return undefined;
  }
}
