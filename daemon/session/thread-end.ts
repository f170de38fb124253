// How a mediation thread is asked to end, and says that it has: by words of memory and not by messages, for a client waits
// meanwhile, and a thread that blocks in its loop looks at memory sooner than at its port.
const ASKED = 0;
const ENDED = 1;

export const endState = (): SharedArrayBuffer => new SharedArrayBuffer(8);
const words = (end: SharedArrayBuffer): Int32Array => new Int32Array(end);

/** It looks when it is woken. */
export const askToEnd = (end: SharedArrayBuffer): void => void Atomics.store(words(end), ASKED, 1);
export const isAskedToEnd = (end: SharedArrayBuffer): boolean => Atomics.load(words(end), ASKED) === 1;

/**
 * The thread's own word: it mediates and records nothing from here on. Does not return when it was asked to end: the
 * process ends next, and to take the thread apart before would cost its client milliseconds.
 */
export function hasEnded(end: SharedArrayBuffer): void {
  Atomics.store(words(end), ENDED, 1);
  Atomics.notify(words(end), ENDED);
  if (isAskedToEnd(end)) Atomics.wait(words(end), ENDED, 1);
}

/** Blocks until it has, at most so many milliseconds. False: it has not. */
export const awaitEnd = (end: SharedArrayBuffer, patience: number): boolean =>
  Atomics.wait(words(end), ENDED, 0, patience) !== 'timed-out';
