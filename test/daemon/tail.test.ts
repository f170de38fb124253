// `cordon audit tail -f` on a terminal, and a reader that is slow, while records come in a burst: all of it is shown or counted.
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { isKind } from '../../daemon/wire/mod.ts';
import { startDaemon } from '../support/daemon.ts';
import { Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

const program = fileURLToPath(new URL('../../daemon/cli/main.ts', import.meta.url));
/** Of each session two more: its launch is journaled, and recorded by cordond. */
const burst = 8000;

const numberOf = (text: string | undefined): number => Number(text?.replaceAll(',', ''));

t.test('on a terminal every denial of a burst is shown, and what is not shown is counted', async (t) => {
  const daemon = await startDaemon(t);
  const terminal = new Terminal(
    [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      ...[program, 'audit', 'tail', '-f', '--limit', '1', '--socket', daemon.adminSocket],
    ],
    { cwd: '/', env: { PATH: '/usr/bin:/bin', TERM: 'xterm', NO_COLOR: '1' }, columns: 250 },
  );
  t.teardown(() => terminal.kill());
  await until('it follows', () => terminal.output.includes('daemon-1'));
  const session = await daemon.run({ FAKE_RECORDS: String(burst) });
  const lines = (): string[] => terminal.output.split('\n');
  const ofSession = (): string[] => lines().filter((line) => line.includes(` ${session}-`));
  const shown = (word: string): number => ofSession().filter((line) => line.includes(`  ${word} `)).length;
  const counted = (): number =>
    lines().reduce((sum, line) => sum + (numberOf(/ ([\d,]+) more in this second/.exec(line)?.[1]) || 0), 0);
  await until('all is shown or counted', () => ofSession().length + counted() >= burst + 1, {
    within: 120_000,
    evidence: () => `${ofSession().length} ${counted()} ${terminal.output.slice(-1000)}`,
  });
  t.equal(shown('denied'), burst / 2, 'every denial');
  t.comment(`${shown('allowed')} of the others shown, ${counted()} counted`);
});

t.test('a follower that stands still is not cut off, and then gets all of it in order', async (t) => {
  const daemon = await startDaemon(t);
  const reader = await daemon.connect();
  const got: string[] = [];
  const answers = reader.stream('records', { follow: true, limit: 1 });
  const reading = (async () => {
    for await (const message of answers)
      if (isKind(message, 'recordsAnswer')) got.push(...message.body.records);
  })();
  await until('it follows', () => got.length > 0);
  reader.pause();
  const session = await daemon.run({ FAKE_RECORDS: String(burst) });
  // More than cordond lets wait for anybody.
  await until('all is in the log', async () => (await daemon.session(session)).denied >= burst / 2, {
    within: 60_000,
  });
  reader.resume();
  const ids = (): string[] =>
    got.map((json) => (JSON.parse(json) as { id: string }).id).filter((id) => id.startsWith(`${session}-`));
  await until('all has arrived', () => ids().length > burst, {
    within: 60_000,
    evidence: () => String(got.length),
  });
  t.strictSame(
    ids(),
    Array.from({ length: burst + 1 }, (_, i) => `${session}-${i + 1}`),
  );
  reader.close();
  await reading.catch(() => undefined);
});
