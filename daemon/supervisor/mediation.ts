// What every handler of a notification works with: one object per notify thread.
import type { Files, processes, seccomp } from '../../native-bindings/linux/mod.ts';
import { E, errnoName } from '../../native-bindings/linux/mod.ts';
import type {
  Decide,
  Decider,
  Journal,
  Mode,
  ObjectId,
  Permission,
  RuleInfo,
  Verdict,
} from '../model/mod.ts';
import type { BoundSockets } from './bound-sockets.ts';
import type { ControlSockets } from './control-sockets.ts';
import type { ImageDigests } from './images.ts';
import type { ProcessReader } from './process-info.ts';
import type { Resolver } from './resolver.ts';
import type { TaskHandles } from './task-handles.ts';

/** Set up once per session; `decider` and `mode` are replaced when the policy changes. */
export interface Mediation {
  readonly listener: seccomp.Listener;
  readonly memory: processes.RemoteMemory;
  readonly files: Files;
  /** Descriptor of the host's /proc. */
  readonly proc: number;
  readonly reader: ProcessReader;
  readonly tasks: TaskHandles;
  readonly resolver: Resolver;
  readonly journal: Journal;
  decider: Decider;
  mode: Mode;
  /** Objects that `never` rules named at launch, by identity. */
  readonly never: ReadonlySet<ObjectId>;
  /** Images that `never` may be executed, by identity. */
  readonly neverExec: ReadonlySet<ObjectId>;
  readonly images: ImageDigests;
  /** Puts the agent's first process under its limits, where it is not born there. False: it could not be. */
  readonly joinCgroup: (pid: number) => boolean;
  /** Sockets that the sandbox itself bound: only those, and granted ones, can be connected to. */
  readonly boundHere: BoundSockets;
  readonly controlSockets: ControlSockets;
  /** True for names below the sandbox's own scratch places. */
  readonly isScratch: (path: string) => boolean;
  /** Says true once for each key: what repeats itself harmlessly is recorded once. */
  readonly isNew: (key: string) => boolean;
  /** Landlock is in force for the agent. */
  readonly landlock: boolean;
  /** True when the machine has something of this name that the sandbox's own places hide. */
  readonly onlyOutside: (path: string) => boolean;
  /** Absolute byte path of the session's workspace. */
  readonly workspace: string;
  readonly uid: number;
  readonly gid: number;
  readonly decide: Decide;
  /** Makes the kernel forget every cached decision about reads: after a rename, what was cached has another name. */
  readonly forgetReads: () => void;
  /**
   * Makes a name that is not read appear. The kernel may have remembered the directory as a whole because the name was not in
   * it: meanwhile it remembers nothing.
   */
  readonly whileAllIsAsked: (effect: () => number) => number;
  readonly judgeGitConfig: (
    before: string,
    after: string,
    place: { readonly directory: string; readonly workspace: string },
  ) => string | undefined;
}

/** How a notification is answered. */
export type Answer =
  | { readonly kind: 'returns'; readonly value: number }
  | { readonly kind: 'fails'; readonly errno: number }
  /** The kernel runs the call with the task's own rights, which allow nothing that was not decided. */
  | { readonly kind: 'continues' }
  | { readonly kind: 'descriptor'; readonly fd: number; readonly cloexec: boolean };

export const returns = (value: number): Answer => ({ kind: 'returns', value });
export const fails = (errno: number): Answer => ({ kind: 'fails', errno });
export const continues: Answer = { kind: 'continues' };

/** What policy denies is EACCES; what could not be recorded, and is denied for that, is as if the disk were full. */
export const refused = (permission: Permission & { readonly granted: false }): Answer =>
  fails(permission.record === undefined ? E.NOSPC : E.ACCES);

/** Result of a system call of ours (value or -errno) as the task's answer. */
export const answerOf = (result: number): Answer => (result < 0 ? fails(-result) : returns(result));
export const outcomeOf = (result: number): string => (result < 0 ? errnoName(-result) : '0');

const builtin = (id: string, because: string): RuleInfo => ({
  id: `builtin/${id}`,
  source: { file: 'built in', line: 0, key: id },
  because,
  never: true,
});

/** A refusal that no profile can lift. */
export const refusal = (id: string, reason: string): Verdict => ({
  effect: 'deny',
  rule: builtin(id, reason),
  reason,
  obligations: [],
});
