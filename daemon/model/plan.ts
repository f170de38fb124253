// The inert plan that `policy` makes for the launcher: no functions, no I/O, ready to be sent to a supervisor.
import type { AttestationRequirement } from './attestation.ts';
import type { CapabilitySet } from './capability-set.ts';

export interface Limits {
  /** Tasks in the sandbox. */
  readonly processes: number;
  /** Bytes. */
  readonly memory: number;
  /** Hundredths of a CPU: 200 = two CPUs. 0 = no limit. */
  readonly cpuPercent: number;
  /** Seconds. 0 = no limit. */
  readonly wall: number;
}

/** The layers a launch must show to be in force. */
export type Layer =
  | 'mount-namespace'
  | 'pid-namespace'
  | 'network-namespace'
  | 'ipc-namespace'
  | 'uts-namespace'
  | 'landlock'
  | 'seccomp'
  | 'seccomp-notify'
  | 'fanotify'
  | 'cgroup'
  | 'no-new-privileges';

export const allLayers: readonly Layer[] = [
  'mount-namespace',
  'pid-namespace',
  'network-namespace',
  'ipc-namespace',
  'uts-namespace',
  'landlock',
  'seccomp',
  'seccomp-notify',
  'fanotify',
  'cgroup',
  'no-new-privileges',
];

export interface Plan {
  readonly capabilitySet: CapabilitySet;
  /**
   * Write ceiling: directories (byte paths, absolute, literal) below which the mediator may carry out mutations on
   * behalf. Everything else is read-only for the mediator too. Disjoint (no entry inside another).
   */
  readonly writable: readonly string[];
  /** Literal `never`-read paths: hidden behind decoy mounts when they exist at launch. */
  readonly masks: readonly string[];
  /** False when no network rule can ever allow: then no egress process is started. */
  readonly network: boolean;
  readonly environment: { readonly pass: readonly string[]; readonly set: Readonly<Record<string, string>> };
  readonly limits: Limits;
  /** Layers that may be missing on this machine (profile key `may-lack`). */
  readonly mayLack: readonly Layer[];
  /** What the machine must have proved for a session to start (profile key `attestation`); absent: nothing. */
  readonly attestation?: AttestationRequirement;
}
