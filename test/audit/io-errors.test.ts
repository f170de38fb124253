// System calls on database, write-ahead log, head and journal that fail with EIO or ENOSPC, at chosen moments: strace
// makes them fail (its inject=). The process goes on, or is started again on a sound disk: nothing that was acknowledged
// is lost, nothing is there twice, and the log is one.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import type { Audit } from '../../daemon/audit/mod.ts';
import { recordOf } from '../../daemon/ocsf/mod.ts';
import { bundled } from '../support/bundled.ts';
import { journalAt, numbersIn, session, upTo, verifyFiles } from '../support/log-files.ts';
import type { WrittenJournal } from '../support/log-files.ts';
import { sampleSession } from '../support/records.ts';
import { randomFrom, seed } from '../support/seed.ts';
import { killsOf, timeFor } from '../support/size.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const worker = join(bundled('log'), 'work-forever.js');
const now = 1_700_000_000_000 + 10 * 86_400_000;
const faults = killsOf({ usual: 8, full: 200 });
const steps = 60;
const random = randomFrom(seed);
const below = (limit: number): number => Math.floor(random() * limit);

/** Why these tests cannot run here, or false. */
function noStrace(): string | false {
  const probe = spawnSync('strace', ['-qq', '-o', '/dev/null', '-e', 'inject=getppid:error=EIO', 'true']);
  if (probe.error !== undefined) return 'there is no strace: apt install strace';
  return probe.status === 0 ? false : 'strace may not trace here';
}

interface Fault {
  /** Of strace: name, error, and which of these calls. `5` is the fifth, `5+` all from it on. */
  readonly call: string;
  readonly error: 'EIO' | 'ENOSPC';
  readonly when: string;
  /** Only on the journal. */
  readonly journalOnly?: boolean;
}

interface Run {
  readonly said: readonly string[];
  readonly code: number | null;
}

/** The process, whose calls on these files fail as said. */
async function runWith(
  fault: Fault,
  database: string,
  journal: string,
  its: number,
  count = steps,
): Promise<Run> {
  const own = [database, `${database}-wal`, `${database}.head.new`, `${database}.head`];
  const files = fault.journalOnly === true ? [journal] : [...own, journal];
  const child = spawn(
    'strace',
    [
      ...['-f', '-qq', '--seccomp-bpf', '-o', '/dev/null', '-e', `trace=${fault.call}`],
      ...files.flatMap((file) => ['-P', file]),
      ...['-e', `inject=${fault.call}:error=${fault.error}:when=${fault.when}`],
      ...[process.execPath, '--disable-warning=ExperimentalWarning', worker],
      ...[database, journal, session, String(its), String(count)],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  child.stdout.on('data', (text) => (said += String(text)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { said: said.split('\n').slice(0, -1), code };
}

const acknowledged = ({ said }: Run): string[] =>
  said.filter((line) => line.startsWith('kept ')).map((line) => line.replace('kept', 'note'));
const failures = ({ said }: Run): string[] => said.filter((line) => /^(failed|not opened) /.test(line));

const notesIn = (audit: Audit): string[] =>
  audit
    .entries({ after: -1, limit: 1e6 })
    .filter(({ text, uid }) => text !== undefined && uid.startsWith('daemon'))
    .map(({ text }) => recordOf(text!))
    .filter(({ operation }) => operation === 'x')
    .map(({ reason }) => reason);

interface Scene {
  readonly database: string;
  readonly journal: WrittenJournal;
  readonly kept: string[];
}

/** What is on the disk is whole: looked at on a disk that works. */
async function check(t: Tap, { database, journal, kept }: Scene, what: string): Promise<void> {
  const audit = openAudit(database, { now: () => now });
  if (!audit.spool.open.includes(session)) {
    if (audit.registry.get(session) === undefined) audit.registry.add(sampleSession(session), journal.path);
    audit.spool.register(session, journal.path);
  }
  await audit.spool.drain(session);
  const has = numbersIn(audit);
  const notes = notesIn(audit);
  const missing = kept.filter((note) => !notes.includes(note));
  t.strictSame(missing, [], `${what}: every note that was acknowledged is in the log`);
  t.equal(new Set(notes).size, notes.length, `${what}: none twice`);
  t.strictSame(has, upTo(journal.written), `${what}: every record of the journal once, in order`);
  t.ok(audit.head().origin.endsWith('/1'), `${what}: it is one log`);
  audit.close();
  t.match(await verifyFiles(database), { ok: true, problems: [] }, what);
}

type Tap = Pick<typeof t, 'strictSame' | 'equal' | 'ok' | 'match' | 'teardown'>;

/** Opened once without a fault, so that there is a log. */
function scene(t: Tap): Scene {
  const directory = temporaryDirectory(t);
  const database = join(directory, 'cordon.db');
  openAudit(database, { now: () => now }).close();
  return { database, journal: journalAt(join(directory, 'j')), kept: [] };
}

/** Each surely meets its call: what the error is called, for the message. */
const certain: readonly (readonly [string, Fault, RegExp])[] = [
  ['a write of the database or its log fails once', { call: 'pwrite64', error: 'EIO', when: '60' }, /I\/O/],
  ['no write succeeds any more', { call: 'pwrite64', error: 'EIO', when: '100+' }, /I\/O/],
  ['there is no room any more', { call: 'pwrite64', error: 'ENOSPC', when: '100+' }, /full/],
  ['what was written cannot be synced, once', { call: 'fsync', error: 'EIO', when: '3' }, /I\/O|EIO/],
  ['nothing can be synced any more', { call: 'fsync', error: 'EIO', when: '2+' }, /I\/O|EIO/],
  ['the head cannot be put in place', { call: 'rename', error: 'EIO', when: '1+' }, /EIO/],
  ['there is no room for the head', { call: 'write', error: 'ENOSPC', when: '1+' }, /ENOSPC/],
  [
    'the journal cannot be read any more',
    { call: 'pread64', error: 'EIO', when: '1+', journalOnly: true },
    /EIO/,
  ],
];

const skip = noStrace();

for (const [title, fault, words] of certain)
  t.test(`${title} (${fault.call}: ${fault.error}): nothing acknowledged is lost`, { skip }, async (t) => {
    const on = scene(t);
    on.journal.write(1500);
    const run = await runWith(fault, on.database, on.journal.path, 11);
    on.kept.push(...acknowledged(run));
    t.match(failures(run).join('\n'), words, 'it is said');
    await check(t, on, title);
  });

t.test('a disk that cannot be read when the log is opened begins no new log', { skip }, async (t) => {
  const on = scene(t);
  on.journal.write(1500);
  const first = await runWith(
    { call: 'pread64', error: 'EIO', when: '9999' },
    on.database,
    on.journal.path,
    12,
  );
  on.kept.push(...acknowledged(first));
  // From each of the first reads on: opening, looking for what was signed, the tree.
  for (let when = 1; when <= 40; when += 3) {
    const fault: Fault = { call: 'pread64', error: 'EIO', when: `${when}+` };
    on.kept.push(...acknowledged(await runWith(fault, on.database, on.journal.path, 100 + when)));
  }
  await check(t, on, 'after all of them');
});

t.test('a read that fails once when the log is opened is no damage of the log', { skip }, async (t) => {
  const on = scene(t);
  on.journal.write(2500);
  const audit = openAudit(on.database, { now: () => now });
  audit.registry.add(sampleSession(session), on.journal.path);
  audit.spool.register(session, on.journal.path);
  await audit.spool.drain(session);
  audit.close();
  // SQLite says of a page that it did not get that the database is damaged.
  for (let when = 1; when <= 24; when++) {
    const copy = scene(t);
    for (const part of ['', '.head', '.key'])
      copyFileSync(`${on.database}${part}`, `${copy.database}${part}`);
    const fault: Fault = { call: 'pread64', error: 'EIO', when: String(when) };
    await runWith(fault, copy.database, on.journal.path, 1, 0);
    const opened = openAudit(copy.database, { now: () => now });
    const { origin } = opened.head();
    opened.close();
    t.ok(origin.endsWith('/1'), `read ${when} began no new log`);
  }
});

t.test(`${faults} faults of system calls by seed ${seed}`, { skip, timeout: timeFor(faults) }, async (t) => {
  const on = scene(t);
  const calls = { pwrite64: 400, fsync: 30, rename: 6, write: 6, pread64: 60, ftruncate: 3 };
  let met = 0;
  for (let round = 0; round < faults; round++) {
    const [call = '', most = 1] = Object.entries(calls)[below(Object.keys(calls).length)] ?? [];
    const fault: Fault = {
      call,
      error: random() < 0.5 ? 'EIO' : 'ENOSPC',
      when: `${1 + below(most)}${random() < 0.3 ? '+' : ''}`,
    };
    on.journal.write(50 + below(400));
    const run = await runWith(fault, on.database, on.journal.path, 100 + round);
    on.kept.push(...acknowledged(run));
    if (failures(run).length > 0) met += 1;
    const what = `${round}: ${fault.call} ${fault.error} ${fault.when}`;
    if (run.code !== 0 && run.code !== 4) t.fail(`${what}: it ended with ${String(run.code)}`);
    if (round % 4 === 3 || round === faults - 1) await check(t, on, what);
  }
  t.comment(`${met} of ${faults} met their call`);
});
