import fc from 'fast-check';
import t from 'tap';
import { shownASecond, TailPace } from '../../daemon/cli/tail-pace.ts';
import { sampleRecord } from '../support/records.ts';

const allowed = (seq: number, comm = 'node') =>
  sampleRecord('s', seq, { disposition: 'allowed', operation: 'read', process: { pid: 1, comm } });
const denied = (seq: number) =>
  sampleRecord('s', seq, { disposition: 'denied', process: { pid: 1, comm: 'curl' } });

t.test('a quiet stream is shown record by record', async (t) => {
  let now = 0;
  const pace = new TailPace(() => now);
  for (let seq = 0; seq < 500; seq++) {
    now += 40;
    t.strictSame(pace.take(allowed(seq)), { summary: [], show: true });
  }
});

t.test('of ten thousand in a second fifty are shown, and the rest told in one line', async (t) => {
  let now = 1_000_000;
  const pace = new TailPace(() => now);
  const shown = (count: number, comm?: string): number =>
    Array.from({ length: count }, (_, i) => pace.take(allowed(i, comm))).filter(({ show }) => show).length;
  t.equal(shown(9_000), shownASecond);
  t.equal(shown(1_000, 'git\u001b[2J'), 0);
  now += 999;
  t.strictSame(pace.due(), [], 'the second is not over');
  now += 1;
  const [summary, ...others] = pace.due();
  t.strictSame(others, []);
  t.match(summary, /9,950 more in this second: node read ×8,950, git\\x1b\[2J read ×1,000$/);
  t.strictSame(pace.due(), [], 'told once');
  t.strictSame(pace.take(allowed(1)), { summary: [], show: true }, 'then shown again');
});

t.test('every denial is shown, however many there are; the same one again is counted with it', async (t) => {
  let now = 0;
  const pace = new TailPace(() => now);
  for (let seq = 0; seq < 1000; seq++) pace.take(allowed(seq));
  const shown = Array.from({ length: 3000 }, (_, i) => pace.take(denied(i % 2990))).filter(
    ({ show }) => show,
  );
  t.equal(shown.length, 2990, 'each once');
  now += 1000;
  const { summary, show } = pace.take(denied(5));
  t.equal(summary.length, 11);
  t.match(summary[0], /s-0 denied ×1 again: curl open \/home\/user\/file-0$/);
  t.match(summary[10], /950 more in this second: node read ×950$/);
  t.ok(show, 'in another second it is shown anew');
});

t.test('whatever comes, what is shown and what is counted are all of it', async () => {
  const steps = fc.array(
    fc.record({
      denial: fc.boolean(),
      name: fc.nat(30),
      repeat: fc.integer({ min: 1, max: 200 }),
      wait: fc.nat(700),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, (given) => {
      let now = 0;
      let [came, accounted] = [0, 0];
      const pace = new TailPace(() => now);
      const count = (lines: readonly string[]): void => {
        for (const line of lines)
          accounted += Number(
            / ([\d,]+) more in| ×([\d,]+) again/.exec(line)?.slice(1).join('').replaceAll(',', ''),
          );
      };
      for (const { denial, name, repeat, wait } of given) {
        now += wait;
        for (let i = 0; i < repeat; i++) {
          const { summary, show } = pace.take(denial ? denied(name) : allowed(name));
          count(summary);
          came += 1;
          if (show) accounted += 1;
        }
      }
      now += 1000;
      count(pace.due());
      return came === accounted;
    }),
  );
});

t.test('names without end are counted together', async (t) => {
  let now = 0;
  const pace = new TailPace(() => now);
  for (let seq = 0; seq < 5000; seq++) pace.take(allowed(seq, `p${seq}`));
  now += 1000;
  t.match(pace.due(), [/others ×3,950, p\d+ read ×1/]);
});
