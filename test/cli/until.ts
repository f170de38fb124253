// Waits for a fact about another process that nobody announces.
import { setTimeout as later } from 'node:timers/promises';

/** Looks every 10 ms, for at most 30 s; resolves with the first value that is not undefined. */
export async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < 3000; tries++) {
    const found = look();
    if (found !== undefined) return found;
    await later(10);
  }
  throw new Error(`waited 30 s in vain for ${what}`);
}
