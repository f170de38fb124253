// What the mediators need from outside, as small interfaces: they import neither `decision` nor `policy`.
import type { NewRecord, ProcessInfo, SessionRecord } from './record.ts';
import type { Mode, Verdict } from './verdict.ts';

/** Why the static filter asked: a line of the reviewed table. */
export interface SyscallEntry {
  readonly name: string;
  readonly kind: 'open' | 'mutate' | 'exec' | 'started' | 'connect' | 'bind' | 'send' | 'process' | 'deny';
  readonly errno: number;
  readonly reason: string;
}

/** Exact entry for a notification; never undefined: what is not known is a refusal. */
export type SyscallLookup = (arch: number, nr: number, args: readonly bigint[]) => SyscallEntry;

/** The session's journal as one thread sees it. */
export interface Journal {
  /** Appends; undefined when the record could not be written: then the action must be denied. */
  append(record: NewRecord): SessionRecord | undefined;
  /** Writes the record again with what became of it. A later frame with the same seq supersedes the earlier. */
  complete(record: SessionRecord, outcome: string, facts?: Partial<NewRecord>): void;
}

/**
 * Which object it is, whatever name leads to it. A file system gives the number of an object that is gone to the next one:
 * when it was made tells them apart.
 */
export type ObjectId = `${number}:${number}:${bigint}`;
export const objectId = (stat: {
  readonly dev: number;
  readonly ino: number;
  readonly bornNs: bigint;
}): ObjectId => `${stat.dev}:${stat.ino}:${stat.bornNs}`;

/** What was asked, ready to be recorded. */
export type Intent = Pick<NewRecord, 'kind' | 'operation' | 'object' | 'object2' | 'layer' | 'detail'> & {
  readonly process: ProcessInfo;
};

export type Permission =
  | { readonly granted: true; readonly record: SessionRecord }
  | { readonly granted: false; readonly record: SessionRecord | undefined; readonly reason: string };

/** The reference monitor (monitor/mediate.ts). */
export type Decide = (
  journal: Journal,
  mode: Mode,
  intent: Intent,
  verdict: Verdict,
  tree: () => readonly ProcessInfo[],
) => Permission;
