// Waiting for as long as a profile says, which may be longer than one timer of Node can wait.

/** Milliseconds; a longer timer fires at once (https://nodejs.org/api/timers.html). */
const longest = 2 ** 31 - 1;

type Start = (act: () => void, milliseconds: number) => { unref(): unknown };

/** Acts once, after so many milliseconds; does not keep the process alive. `start`: setTimeout. */
export function actAfter(milliseconds: number, act: () => void, start: Start = setTimeout): void {
  const step = Math.min(milliseconds, longest);
  const rest = milliseconds - step;
  start(() => (rest > 0 ? actAfter(rest, act, start) : act()), step).unref();
}
