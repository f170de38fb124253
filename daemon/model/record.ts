// One record: something that was decided or happened in a session. The journal, the spool, `cordon blocks` and
// `cordon explain` all carry this shape.
import type { Layer } from './plan.ts';
import type { Mode, RuleSource } from './verdict.ts';

export type Disposition = 'allowed' | 'denied' | 'would-deny' | 'observed';

export type RecordKind =
  | 'session' // launch, exit, limits, policy change, adoption
  | 'file' // read, write, create, rename, …
  | 'exec'
  | 'connect'
  | 'name' // DNS
  | 'http' // request seen by egress
  | 'socket' // unix and other socket families
  | 'syscall' // refused by the static table
  | 'tool' // reported by the agent over its socket
  | 'token' // minted, refused, used, revoked; grants and leases
  | 'approval' // asked, approved, refused
  | 'finding' // DLP and anomalies
  | 'log' // the audit log's own: start, stop, rotate, gap, export
  | 'admin'; // freeze, kill, policy, by a person

export type RecordLayer = Layer | 'decision' | 'egress' | 'resolver' | 'daemon' | 'journal';

export interface ProcessInfo {
  /** In the host's pid namespace. */
  readonly pid: number;
  readonly ppid?: number;
  readonly exe?: string;
  readonly comm?: string;
}

export interface SessionRecord {
  /** `<session>-<seq>`: what `cordon explain` takes. */
  readonly id: string;
  readonly session: string;
  /** Grows by one per record of a session, without holes. */
  readonly seq: number;
  /** Unix time in milliseconds, microsecond fraction. */
  readonly time: number;
  readonly kind: RecordKind;
  /** Verb: open, create, truncate, mkdir, rename, link, symlink, unlink, rmdir, chmod, exec, connect, lookup, … */
  readonly operation: string;
  /** Object as text for people: path, host:port, syscall name. */
  readonly object: string;
  /** Second object: target of a rename, link or symlink; resolved address of a connect; argv of an exec as JSON. */
  readonly object2?: string;
  readonly disposition: Disposition;
  readonly mode: Mode;
  readonly generation: number;
  readonly layer: RecordLayer;
  readonly rule?: { readonly id: string; readonly source: RuleSource };
  readonly reason: string;
  /**
   * Outcome of an effect carried out: `0` or an errno name such as `ENOENT`; absent while not known. A frame with the
   * same `seq` later in the journal supersedes the earlier one: it is the same record with its outcome.
   */
  readonly outcome?: string;
  readonly process?: ProcessInfo;
  /** Ancestors, nearest first, at most 16. Present on denials. */
  readonly tree?: readonly ProcessInfo[];
  /** Folded reads: how many, since `time`. */
  readonly count?: number;
  /** Kind-specific facts: sha256, argv, bytes, query type, … */
  readonly detail?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

/** What a mediator hands to the journal; the journal adds id, session, seq, time, mode and generation. */
export type NewRecord = Omit<SessionRecord, 'id' | 'session' | 'seq' | 'time' | 'mode' | 'generation'> & {
  readonly generation?: number;
};
