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
    t.strictSame(pace.take(allowed(seq)), { summary: undefined, show: true });
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
  t.equal(pace.due(), undefined, 'the second is not over');
  now += 1;
  const summary = pace.due() ?? '';
  t.match(summary, /9,950 more in this second: node read ×8,950, git\\x1b\[2J read ×1,000$/);
  t.equal(pace.due(), undefined, 'told once');
  t.strictSame(pace.take(allowed(1)), { summary: undefined, show: true }, 'then shown again');
});

t.test('denials have places of their own, and are counted apart', async (t) => {
  let now = 0;
  const pace = new TailPace(() => now);
  for (let seq = 0; seq < 1000; seq++) pace.take(allowed(seq));
  const shown = Array.from({ length: 60 }, (_, i) => pace.take(denied(i))).filter(({ show }) => show);
  t.equal(shown.length, shownASecond);
  now += 1000;
  const { summary } = pace.take(denied(99));
  t.match(summary, /960 more in this second, 10 of them denied: node read ×950, curl open ×10$/);
});

t.test('names without end are counted together', async (t) => {
  let now = 0;
  const pace = new TailPace(() => now);
  for (let seq = 0; seq < 5000; seq++) pace.take(allowed(seq, `p${seq}`));
  now += 1000;
  t.match(pace.due(), /others ×3,950, p\d+ read ×1/);
});
