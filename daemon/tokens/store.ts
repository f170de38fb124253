// What the endpoint must remember of the tokens it gave out. Kept by the daemon's database, so that a restart forgets no use
// and no revocation.

import type { IssuedToken, TokenSelector } from '../model/mod.ts';

export type { IssuedToken };
export type Selector = TokenSelector;

export interface TokenStore {
  /** False when its place in the status list is another's. */
  add(token: IssuedToken): boolean;
  get(jti: string): IssuedToken | undefined;
  /** Not expired at `now` (seconds), newest first; revoked ones too. */
  list(selector: Selector, now: number): IssuedToken[];
  /** True while fewer than `most` of the session's are neither expired at `now` (seconds) nor revoked. */
  hasRoom(session: string, now: number, most: number): boolean;
  /** One use of each of these tokens, or of none: false when one of them has none left, is revoked or not known. */
  take(jtis: readonly string[]): boolean;
  /** True the first time that this proof is shown; remembered until `until` (seconds). */
  firstProof(id: string, until: number): boolean;
  /** These tokens and all that were made from them; those that were not revoked before. On the disk when it returns. */
  revoke(jtis: readonly string[], at: number, why: string): IssuedToken[];
  revokedPlaces(): number[];
  /** Forgets what expired before `now` (seconds). */
  prune(now: number): void;
}
