// What `decision` offers to the mediators. The rooms that act receive one of these; they never import `decision`.
import type { FileQuery, NetworkQuery, SocketQuery } from './action.ts';
import type { CapabilitySet } from './capability-set.ts';
import type { BytePath } from './path.ts';
import type { Verdict } from './verdict.ts';

export interface Decider {
  readonly capabilitySet: CapabilitySet;
  file(query: FileQuery): Verdict;
  /** Exec of the image at this (really opened) path: exec rules and the file rules' `exec` access both must allow. */
  exec(path: BytePath): Verdict;
  /**
   * A name without a port asks whether it may be looked up: allowed when some grant for that name exists on any port.
   * With `address` and `host`, both must be acceptable: guard addresses need a literal grant.
   */
  network(query: NetworkQuery): Verdict;
  socket(query: SocketQuery): Verdict;
  /**
   * True when every object directly inside `directory` (any name, existing or not) gets the same allow for `access`:
   * only then may the kernel cache the decision for the whole directory.
   */
  uniformBelow(directory: BytePath, access: 'read' | 'exec'): boolean;
  /** Names that would make a child of this directory differ (literal final names of glob rules), for the cache's checks. */
  exceptionsIn(directory: BytePath, access: 'read' | 'exec'): readonly NameException[];
}

/** A final-component pattern that differs from the directory's verdict: literal, or with wildcards. */
export interface NameException {
  readonly name: string;
  readonly wildcard: boolean;
}
