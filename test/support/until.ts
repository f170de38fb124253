// Waiting without guessing: poll a condition up to a deadline, and say what was waited for when it does not come.
import { setTimeout as pause } from 'node:timers/promises';

export interface Patience {
  /** Milliseconds until we give up. */
  readonly within?: number;
  /** Milliseconds between two looks. */
  readonly every?: number;
  /** What to add to the error, looked at when time is up. */
  readonly evidence?: () => string;
}

/** Resolves with the first truthy value of `look`. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  { within = 60_000, every = 20, evidence }: Patience = {},
): Promise<NonNullable<T>> {
  const deadline = Date.now() + within;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== null && (seen as unknown) !== false) return seen;
    if (Date.now() > deadline) throw new Error(`not within ${within} ms: ${what}\n${evidence?.() ?? ''}`);
    await pause(every);
  }
}

/** Rejects when `work` takes longer; the work itself is not cancelled. */
export async function bounded<T>(what: string, work: Promise<T>, within: number): Promise<T> {
  const stop = new AbortController();
  const late = pause(within, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`not within ${within} ms: ${what}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    stop.abort();
  }
}
