import t from 'tap';
import { actAfter } from '../../daemon/session/wall-time.ts';

const day = 86_400_000;

/** Timers as Node has them, with time that passes when it is told to. */
function timers(): { start: Parameters<typeof actAfter>[2]; pass(milliseconds: number): void } {
  let now = 0;
  const waiting: { at: number; act: () => void }[] = [];
  return {
    start: (act, milliseconds) => {
      // What Node does with more than it can wait.
      waiting.push({ at: now + (milliseconds > 2 ** 31 - 1 ? 1 : milliseconds), act });
      return { unref: () => undefined };
    },
    pass: (milliseconds) => {
      const until = now + milliseconds;
      for (let due; (due = waiting.find(({ at }) => at <= until)) !== undefined;) {
        waiting.splice(waiting.indexOf(due), 1);
        now = due.at;
        due.act();
      }
      now = until;
    },
  };
}

t.test('a wall time of any length ends when it is over, and not before', async (t) => {
  for (const days of [0.5, 24, 25, 30, 60, 365]) {
    const clock = timers();
    let ended = 0;
    actAfter(days * day, () => (ended += 1), clock.start);
    clock.pass(days * day - 1);
    t.equal(ended, 0, `${days} days are not over`);
    clock.pass(1);
    t.equal(ended, 1, `${days} days are over`);
    clock.pass(1000 * day);
    t.equal(ended, 1, 'and only once');
  }
});
