// How long to wait after failures in a row.

/** Milliseconds. */
const first = 500;
const longest = 5 * 60_000;
/** A sink may ask for more patience than `longest`, but not for the end of shipping. */
const longestAsked = 60 * 60_000;

/**
 * Exponential, half of it by chance, so that endpoints that failed together do not come back together. `failures`
 * from 1; `asked`: what the sink asked for (Retry-After), never undercut up to an hour; `random` in [0, 1).
 */
export function backoff(failures: number, asked: number, random: number): number {
  const full = Math.min(longest, first * 2 ** Math.min(failures - 1, 20));
  return Math.max(full / 2 + (full / 2) * random, Math.min(asked, longestAsked));
}
