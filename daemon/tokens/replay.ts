// What was seen and used before. A small interface, so that a backend of many processes can keep it in its database; this one
// is in memory, for one process. Full means refused, never forgotten.

export interface Replay {
  /** True the first time. It is remembered until `until` (seconds since the epoch). */
  first(id: string, until: number, now: number): boolean | Promise<boolean>;
  /**
   * Takes one use of each of these tokens, or of none of them: false when one has none left. A token and its ancestors are
   * used together.
   */
  take(
    tokens: readonly { readonly jti: string; readonly uses: number }[],
    until: number,
    now: number,
  ): boolean | Promise<boolean>;
}

const most = 200_000;

export function memoryReplay(limit: number = most): Replay {
  const seen = new Map<string, { until: number; count: number }>();
  const makeRoom = (now: number): boolean => {
    if (seen.size < limit) return true;
    for (const [id, { until }] of seen) if (until <= now) seen.delete(id);
    return seen.size < limit;
  };
  const countOf = (id: string): number => seen.get(id)?.count ?? 0;
  const add = (id: string, until: number): void => {
    const before = seen.get(id);
    seen.set(id, { until: Math.max(until, before?.until ?? 0), count: (before?.count ?? 0) + 1 });
  };
  return {
    first: (id, until, now) => {
      if (seen.has(id) || !makeRoom(now)) return false;
      add(id, until);
      return true;
    },
    take: (tokens, until, now) => {
      if (!makeRoom(now)) return false;
      if (tokens.some(({ jti, uses }) => countOf(`use ${jti}`) >= uses)) return false;
      for (const { jti } of tokens) add(`use ${jti}`, until);
      return true;
    },
  };
}
