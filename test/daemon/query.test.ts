import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import t from 'tap';
import { startDaemon, until } from '../support/daemon.ts';
import { violations } from '../ocsf/validate.ts';
import { temporaryDirectory } from '../support/temporary.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

const program = fileURLToPath(new URL('../../daemon/cli/main.ts', import.meta.url));

interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly errors: string;
}

function cordon(args: readonly string[], uid = 0): Outcome {
  const ran = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], {
    encoding: 'utf8',
    uid,
  });
  return { status: ran.status, out: ran.stdout, errors: ran.stderr };
}

interface Page {
  readonly records: readonly { readonly id: string; readonly disposition: string; readonly kind: string }[];
  readonly next: number;
}
const nobody = 65534;

t.test(
  'records are queried a page at a time, by administrators and by those whose sessions they are',
  async (t) => {
    const daemon = await startDaemon(t);
    const id = await daemon.run({ FAKE_RECORDS: '40' });
    await until(async () => (await daemon.records({ session: id })).length >= 41);
    const query = (...args: string[]): Page =>
      JSON.parse(cordon(['audit', 'query', '--socket', daemon.adminSocket, '--json', ...args]).out) as Page;

    const denied = query('--session', id, '--verdict', 'denied');
    t.equal(denied.records.length, 20);
    t.ok(denied.records.every(({ disposition }) => disposition === 'denied'));
    const first = query('--session', id, '--limit', '15');
    const second = query('--session', id, '--limit', '15', '--before', String(first.next));
    const third = query('--session', id, '--limit', '100', '--before', String(second.next));
    const all = [first, second, third].flatMap(({ records }) => records.map((record) => record.id));
    t.strictSame(
      all,
      Array.from({ length: 41 }, (_, i) => `${id}-${41 - i}`),
      'newest first, each once',
    );
    t.equal(third.next, 0, 'there is nothing more');
    t.equal(query('--class', 'gap').records.length, 0);
    t.ok(query('--since', '1h').records.length > 40);
    t.equal(query('--until', '1h').records.length, 0);

    const socket = ['--socket', daemon.adminSocket];
    t.match(cordon(['audit', 'query', ...socket, '--session', id]).out, `${id}-41`);
    t.match(cordon(['audit', 'query', ...socket, '--session', id], nobody), {
      status: 1,
      errors: /there is no session/,
    });
    t.match(cordon(['audit', 'query', ...socket], nobody).out, /Nothing matches/, 'root started it');
    t.match(cordon(['audit', 'query', ...socket, '--class', 'x']), { status: 2, errors: /there are denial/ });
    t.match(cordon(['audit', 'query', ...socket, '--path', 'x']), { status: 2, errors: /absolute path/ });
    t.match(cordon(['audit', 'query', ...socket, '--until', 'x']), {
      status: 2,
      errors: /--until "x" is not a time/,
    });
  },
);

t.test('the log is exported as a file that proves itself, and as tables', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run({ FAKE_RECORDS: '30' });
  await until(async () => (await daemon.records({ session: id })).length >= 31);
  const directory = temporaryDirectory(t);
  const socket = ['--socket', daemon.adminSocket];
  const exported = (name: string, ...args: string[]): string => {
    const file = join(directory, name);
    const done = cordon(['audit', 'export', ...socket, '--out', file, ...args]);
    t.equal(done.status, 0, done.errors);
    return file;
  };

  const whole = exported('whole.jsonl');
  t.equal(statSync(whole).mode & 0o777, 0o600);
  const events = readFileSync(whole, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{"position":'))
    .map((line) => (JSON.parse(line) as { readonly event: string }).event);
  t.strictSame(events.flatMap(violations), [], `${events.length} events of the daemon are OCSF`);
  const verify = (file: string): Outcome => cordon(['audit', 'verify', '--file', file, '--json']);
  t.match(JSON.parse(verify(whole).out), { ok: true, problems: [] });
  const chosen = exported('chosen.jsonl', '--session', id, '--verdict', 'denied');
  t.match(JSON.parse(verify(chosen).out), { ok: true, entries: 15, problems: [] });
  t.match(JSON.parse(verify(exported('late.jsonl', '--since', '1h')).out), { ok: true });
  t.match(JSON.parse(verify(exported('none.jsonl', '--until', '1h')).out), { ok: true, entries: 0 });

  const rows = readFileSync(exported('x.csv', '--session', id, '--format', 'csv'), 'utf8').split('\r\n');
  t.match(rows[0], /^position,uid,time,/);
  t.equal(rows.length, 1 + 31 + 1);
  t.match(rows[1], new RegExp(`^\\d+,${id}-1,\\d{4}-\\d\\d-\\d\\dT`));

  const table = exported('x.parquet', '--session', id, '--format', 'parquet');
  const read = await parquetReadObjects({ file: await asyncBufferFromFile(table) });
  t.equal(read.length, 31);
  t.match(read[0], { uid: `${id}-1`, session: id, time: Date });
  t.equal((JSON.parse(String(read[0]?.['event'])) as { metadata: { uid: string } }).metadata.uid, `${id}-1`);

  const again = cordon(['audit', 'export', ...socket, '--out', whole]);
  t.match(again, { status: 2, errors: /is there already/ });
  t.match(cordon(['audit', 'export', ...socket, '--format', 'parquet']), { status: 2, errors: /--out/ });
  t.match(cordon(['audit', 'export', ...socket, '--format', 'xml']), {
    status: 2,
    errors: /jsonl, csv and parquet/,
  });
  const piped = cordon(['audit', 'export', ...socket, '--session', id]);
  t.equal(piped.out.trimEnd().split('\n').length, 31 + 2, 'header, entries, proof');
  const other = join(directory, 'other');
  t.match(cordon(['audit', 'export', ...socket, '--out', other], nobody), { status: 1 });
  t.notOk(existsSync(other), 'nothing half is left');
});
