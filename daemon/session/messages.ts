// What the threads of one supervisor say to each other.
import type { CapabilitySet, Layer, Limits, Mode, ObjectId } from '../model/mod.ts';
import type { Hidden, Mask } from '../launcher/mod.ts';

/** Descriptors are numbers of the one process that all threads share. */
export interface LaunchThreadData {
  readonly stage: string;
  readonly cgroup: string;
  readonly fanotify: number;
  /** Descriptor of the audit group. */
  readonly audit: number;
  readonly tmpBytes: number;
}
export interface Prepared {
  readonly type: 'prepared';
  readonly tid: number;
  readonly initPid: number;
  readonly memfdNoexec: boolean;
  readonly listeners: {
    readonly tcp4: number;
    readonly tcp6: number;
    readonly udp53: number;
    readonly tcp53: number;
  };
  readonly ports: { readonly tcp4: number; readonly tcp6: number };
  readonly landlockAbi: number;
}
export interface MarkMounts {
  readonly type: 'mark';
  readonly paths: readonly string[];
}
export interface Marked {
  readonly type: 'marked';
  /** A descriptor on each watched file system, by fsid; empty when some file system cannot be audited by handle. */
  readonly auditMounts: readonly (readonly [string, number])[];
}
export interface Confine {
  readonly type: 'confine';
  readonly uid: number;
  readonly gid: number;
  readonly masks: readonly Mask[];
  readonly agentSocket: number;
  readonly hidden: Hidden | undefined;
  readonly fifos: readonly string[];
  readonly terminal: { readonly rows: number; readonly columns: number } | undefined;
  readonly limits: Limits;
}
export interface Confined {
  readonly type: 'confined';
  readonly listener: number;
  readonly terminal: { readonly master: number; readonly slave: number } | undefined;
  /** Landlock refused what it must refuse, tried before seccomp was loaded. */
  readonly landlock: boolean;
}
/** All strings one char a byte. */
export interface Spawn {
  readonly type: 'spawn';
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly stdio: readonly [number, number, number];
  readonly terminal: boolean;
  readonly umask: number;
}
export interface Spawned {
  readonly type: 'spawned';
  readonly pid: number;
}
export interface NotStarted {
  readonly type: 'not-started';
  /** errno name. */
  readonly code: string;
  readonly message: string;
}
export interface Exited {
  readonly type: 'exited';
  readonly code: number | null;
  readonly signal: number | null;
}
export interface Failed {
  readonly type: 'failed';
  readonly message: string;
}
export type ToLaunchThread = MarkMounts | Confine | Spawn;
export type FromLaunchThread = Prepared | Marked | Confined | Spawned | NotStarted | Exited | Failed;

export interface MediationThreadData {
  readonly fanotify: number;
  /** Descriptor of a permission group for files that the command is handed. */
  readonly handed: number;
  /** Descriptor of the audit group. */
  readonly audit: number;
  readonly proc: number;
  readonly wake: number;
  /** See thread-end.ts. */
  readonly end: SharedArrayBuffer;
}
/** To both mediation threads, when the session is known. */
export interface BeginSession {
  readonly type: 'begin';
  readonly session: string;
  readonly journal: number;
  readonly shared: SharedArrayBuffer;
  readonly capabilitySet: CapabilitySet;
  readonly never: readonly ObjectId[];
  readonly neverExec: readonly ObjectId[];
  readonly neverHasNames: boolean;
  readonly terminal: boolean;
}
export interface BeginOpen extends BeginSession {
  /** O_PATH descriptor of the sandbox's root. */
  readonly root: number;
  /** Of the sandbox, such as `pid:[4026531836]`. */
  readonly pidNamespace: string;
  /** Reads are recorded from an audit group, by the main thread. */
  readonly audited: boolean;
}
/** To the notify thread, before the session is known: the sandbox's tree is ready to be copied. */
export interface Enter {
  readonly type: 'enter';
  readonly mountNamespace: number;
}
export interface BeginNotify extends BeginSession {
  /** `never` places that are there: read-only for the mediator, whatever is writable around them. */
  readonly sealed: readonly string[];
  /** SessionCgroup.openJoin(): closed by the thread. */
  readonly joinCgroup: number;
  /** Absolute byte path. */
  readonly workspace: string;
  /** cordond's run directory, resolved, and the sockets in it: not to be connected to. */
  readonly control: { readonly directory: string; readonly ids: readonly ObjectId[] };
  /** As Confine.agentSocket, another descriptor. */
  readonly agentSocket: number;
  /** As Confine.hidden, with another descriptor. */
  readonly hidden: Hidden | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly writable: readonly string[];
  readonly egress: { readonly port4: number; readonly port6: number; readonly flows: number } | undefined;
}
/** The listener exists: enter the loop. */
export interface Serve {
  readonly type: 'serve';
  readonly listener: number;
  /** Landlock is in force for the agent. */
  readonly landlock: boolean;
}
export interface ReplacePolicy {
  readonly type: 'policy';
  readonly capabilitySet: CapabilitySet;
}
/** From the notify thread: an image too large to be hashed in the path of its exec. The receiver closes `fd`. */
export interface HashImage {
  readonly type: 'hash';
  readonly key: string;
  readonly path: string;
  readonly fd: number;
}
export interface ImageDigest {
  readonly type: 'digest';
  readonly key: string;
  readonly sha256: string;
}
export interface Begun {
  readonly type: 'begun';
  readonly tid: number;
}
export type ToMediationThread = ImageDigest | Enter | BeginOpen | BeginNotify | Serve | ReplacePolicy;
export type FromMediationThread =
  | { readonly type: 'ready' }
  | HashImage
  | { readonly type: 'entered' }
  | Begun
  | { readonly type: 'policy-in-force'; readonly generation: number }
  | Failed;

export interface EffectiveLayer {
  readonly layer: Layer;
  readonly effective: boolean;
  readonly detail: string;
}
export type { Mode };
