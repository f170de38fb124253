// A capability token that was given out, as the daemon remembers it.
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
export type TokenSelector =
  { readonly by: 'id' | 'session' | 'agent' | 'policy'; readonly value: string } | { readonly by: 'all' };
