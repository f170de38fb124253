// What the daemon asks of policy: a plan for a run, the effective policy in words, and the change that would allow
// what was denied. The daemon does not know how profiles are written.
import type { BytePath, Mode, Plan, SessionRecord } from '../model/mod.ts';

export interface PlanRequest {
  /** Name, or absolute path of a file; never empty. */
  readonly profile: string;
  readonly user: string;
  readonly uid: number;
  readonly home: BytePath;
  readonly workspace: BytePath;
  /** Undefined: the profile's own. */
  readonly mode?: Mode;
  readonly generation: number;
  /** False: for a user who may name installed profiles only. Absent: true. */
  readonly trusted?: boolean;
}

export interface Change {
  /** YAML; empty when nothing may allow it. */
  readonly yaml: string;
  readonly file: string;
  readonly notes: readonly string[];
}

export interface PolicyIdentity {
  /** SHA-256 over every profile and the managed settings: lowercase hexadecimal. */
  readonly digest: string;
  /** Of the profile named. */
  readonly version: number;
}

export interface Profiles {
  /** What policy this machine has, for its attestation. */
  identity(profile: string): PolicyIdentity;
  /** Throws CordonError('policy-invalid' | 'not-found'). Same request, same files: the same plan but for generation. */
  plan(request: PlanRequest): Plan;
  /** The mode the profile itself says, whatever `request.mode` is. Throws as `plan`. */
  ownMode(request: PlanRequest): Mode;
  /** The effective policy as JSON, for `cordon policy show`. */
  show(request: PlanRequest): string;
  smallestChange(record: SessionRecord, request: PlanRequest): Change;
  /** Called after every reload that took effect, and with the complaint when one did not. */
  onReload(listener: (problem: string | undefined) => void): void;
  close(): void;
}
