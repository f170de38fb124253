// What the endpoint must remember of the tokens it gave out. Kept by the daemon's database, so that a restart forgets no use
// and no revocation.

export interface IssuedToken {
  readonly jti: string;
  /** Place in the status list. */
  readonly idx: number;
  readonly session: string;
  readonly agent: string;
  /** Of the policy it was minted under. */
  readonly digest: string;
  readonly audience: string;
  /** `jti` of the token it was made from; empty for none. */
  readonly parent: string;
  /** In words. */
  readonly details: string;
  readonly purpose: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp: number;
  readonly uses: number;
  readonly used: number;
  /** Unix milliseconds; 0: not revoked. */
  readonly revoked: number;
  readonly why: string;
}

/** Which tokens. `policy` is a digest, `session` and `agent` are names. */
export type Selector =
  { readonly by: 'id' | 'session' | 'agent' | 'policy'; readonly value: string } | { readonly by: 'all' };

export interface TokenStore {
  /** False when its place in the status list is another's. */
  add(token: IssuedToken): boolean;
  get(jti: string): IssuedToken | undefined;
  /** Not expired at `now` (seconds), newest first; revoked ones too. */
  list(selector: Selector, now: number): IssuedToken[];
  /** Not expired and not revoked. */
  liveOf(session: string, now: number): number;
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
