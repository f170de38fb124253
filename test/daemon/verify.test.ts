import { spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { startDaemon, until } from '../support/daemon.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { Terminal } from '../support/terminal.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

const program = fileURLToPath(new URL('../../daemon/cli/main.ts', import.meta.url));

interface Outcome {
  readonly status: number | null;
  readonly json: Readonly<Record<string, unknown>>;
  readonly errors: string;
}

function cordon(args: readonly string[], uid = 0): Outcome {
  const ran = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', program, ...args, '--json'],
    {
      encoding: 'utf8',
      uid,
    },
  );
  const json = ran.stdout === '' ? {} : (JSON.parse(ran.stdout) as Outcome['json']);
  return { status: ran.status, json, errors: ran.stderr };
}

t.test('the log of a session is verified and proved, by the daemon and without it', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run({ FAKE_RECORDS: '50' });
  const socket = ['--socket', daemon.adminSocket];
  const database = join(daemon.stateDir, 'cordon.db');
  await until(async () => (await daemon.records({ session: id })).length >= 51);

  const sound = cordon(['audit', 'verify', ...socket]);
  t.match(sound, { status: 0, json: { ok: true, problems: [], logs: [{ ownKey: true }] } }, sound.errors);
  t.match(cordon(['audit', 'prove', `${id}-7`, ...socket]), { status: 0, json: { ok: true, id: `${id}-7` } });
  t.match(cordon(['audit', 'prove', '--from', '3', ...socket]), { status: 0, json: { ok: true, first: 3 } });
  t.match(cordon(['audit', 'prove', `${id}-7000`, ...socket]), { status: 1, errors: /there is no event/ });
  t.match(cordon(['audit', 'prove', `${id}-7`, ...socket], 65534), { status: 1, errors: /not-found/ });
  t.match(cordon(['audit', 'verify', ...socket], 65534), { status: 1, errors: /by administrators/ });

  // A stranger gets a file and the log's key.
  const directory = temporaryDirectory(t);
  const copy = join(directory, 'cordon.db');
  await daemon.crash();
  for (const part of ['', '-wal', '.key', '.head']) copyFileSync(`${database}${part}`, `${copy}${part}`);
  const audit = openAudit(copy, { now: () => 1 });
  const to = audit.head().size;
  const frame = audit.exportFrame({ from: 2, to, chosen: false, host: 'h' });
  const entries = audit.entries({ after: 1, limit: to }).map(frame.entry);
  const key = audit.verifierKey();
  audit.close();
  const file = join(directory, 'export.jsonl');
  const text = [frame.header, ...entries, frame.trailer].map((line) => `${line}\n`).join('');
  writeFileSync(file, text);
  const whole = cordon(['audit', 'verify', '--file', file, '--key', key]);
  t.match(whole, { status: 0, json: { ok: true, entries: to - 2, trusted: true } }, whole.errors);
  // On a terminal it says how far it is; the same for the database.
  for (const what of [
    ['--file', file],
    ['--database', copy],
  ]) {
    const argv = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      program,
      'audit',
      'verify',
      ...what,
    ];
    const terminal = new Terminal(argv, { cwd: directory, env: { PATH: '/usr/bin:/bin', TERM: 'xterm' } });
    t.equal((await terminal.exit(60_000)).code, 0, terminal.words);
    t.match(terminal.output, /█+ 100% \([\d,]+ of [\d,]+\)/, what.join(' '));
  }
  writeFileSync(file, text.replace(`${id}-9`, `${id}-8`));
  t.match(cordon(['audit', 'verify', '--file', file, '--key', key]), { status: 1, json: { ok: false } });

  // Root reads the database when the daemon is gone: also what was not yet signed when it was killed.
  t.match(cordon(['audit', 'verify', '--database', database]), { status: 0, json: { ok: true } });
  const db = new Sqlite(database);
  db.exec(`UPDATE entries SET event = replace(event, 'Denied', 'Allowed') || ' ' WHERE position = 20`);
  db.close();
  const edited = cordon(['audit', 'verify', '--database', database]);
  t.match(edited, { status: 1, json: { problems: [{ kind: 'edit', from: 20, to: 20 }] } });
});
