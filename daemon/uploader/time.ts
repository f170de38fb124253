// Time and chance, handed in: the pumps have no clock of their own.
export interface Time {
  /** Unix time in milliseconds; may jump. */
  readonly now: () => number;
  /** Milliseconds that only grow. */
  readonly elapsed: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** Resolves after `milliseconds`, or when `signal` aborts. Never rejects. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** Waits without holding the process up. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const done = (): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', done);
    resolve(undefined);
  };
  const timer = setTimeout(done, Math.min(milliseconds, maxTimer));
  if (signal.aborted) done();
  else signal.addEventListener('abort', done);
  return promise;
}

/** setTimeout(3) of Node takes 31 bits. */
const maxTimer = 2 ** 31 - 1;
