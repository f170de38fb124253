// What the log must survive, really done: kill -9, copies of the files at any moment, a full disk, files that may not grow.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { bundled } from '../support/bundled.ts';
import { journalAt, numbersIn, session, upTo, verifyFiles as verify } from '../support/log-files.ts';
import { sampleSession } from '../support/records.ts';
import { randomFrom, seed } from '../support/seed.ts';
import { killsOf, timeFor } from '../support/size.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const worker = join(bundled('log'), 'work-forever.js');
const now = 1_700_000_000_000 + 10 * 86_400_000;
const kills = killsOf({ usual: 12, full: 200 });

function generator(start: number): (below: number) => number {
  const random = randomFrom(start);
  return (below) => Math.floor(random() * below);
}

function start(database: string, journal: string, its: number, limit?: number): ChildProcess {
  const node = ['--disable-warning=ExperimentalWarning', worker, database, journal, session, String(its)];
  const [program, args] =
    limit === undefined
      ? [process.execPath, node]
      : ['prlimit', [`--fsize=${limit}`, process.execPath, ...node]];
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

t.test(
  `killed at ${kills} points (seed ${seed}), every record is in the log once, and the log is sound`,
  { timeout: timeFor(kills) },
  async (t) => {
    const directory = temporaryDirectory(t);
    const database = join(directory, 'cordon.db');
    const random = generator(seed);
    const journal = journalAt(join(directory, 'j'));
    for (let round = 0; round < kills; round++) {
      journal.write(200 + random(400));
      const child = start(database, journal.path, random(2 ** 31));
      // One of five is killed while it starts.
      if (random(5) > 0) await once(child.stdout!, 'data');
      await delay(random(random(5) === 0 ? 200 : 40));
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      if (child.exitCode !== null) t.fail(`round ${round}: it ended by itself`);
      if (round % 10 === 0 && existsSync(`${database}.head`)) {
        const { problems } = await verify(database);
        if (problems.length > 0) t.fail(`round ${round}: ${JSON.stringify(problems)}`);
      }
    }
    const audit = openAudit(database, { now: () => now });
    await audit.spool.finish(session);
    t.strictSame(numbersIn(audit), upTo(journal.written), `${journal.written} records`);
    t.equal(audit.head().origin.endsWith('/1'), true, 'one log all the time');
    audit.close();
    t.match(await verify(database), { ok: true, problems: [] });
  },
);

const parts = ['', '-wal', '.head', '.key'];

t.test(
  'a copy of the files taken at any moment is a log that goes on, also without the tail that was not synced',
  async (t) => {
    const directory = temporaryDirectory(t);
    const database = join(directory, 'cordon.db');
    const journal = journalAt(join(directory, 'j'));
    const random = generator(seed + 1);
    const audit = openAudit(database, { now: () => now });
    t.teardown(() => audit.close());
    audit.registry.add(sampleSession(session), journal.path);
    await audit.registry.durable();
    audit.spool.register(session, journal.path);
    let synced = statSync(`${database}-wal`).size;
    const copies: { readonly at: string; readonly cut: boolean }[] = [];
    for (let step = 0; step < 60; step++) {
      journal.write(random(60));
      audit.spool.drainBatch(session);
      if (random(3) === 0) {
        audit.checkpoint();
        synced = statSync(`${database}-wal`).size;
      }
      if (random(3) > 0) continue;
      const at = join(directory, `copy-${step}`);
      mkdirSync(at);
      for (const part of parts) copyFileSync(`${database}${part}`, join(at, `cordon.db${part}`));
      const wal = statSync(`${database}-wal`).size;
      const cut = random(2) === 0 && wal > synced;
      if (cut) truncateSync(join(at, 'cordon.db-wal'), synced + random(wal - synced));
      copies.push({ at, cut });
    }
    audit.checkpoint();
    const leaves = audit.entries({ after: -1, limit: 1e6 }).map(({ leaf }) => leaf);
    t.comment(`${copies.length} copies, ${copies.filter(({ cut }) => cut).length} without their tail`);
    for (const { at } of copies) {
      const copy = openAudit(join(at, 'cordon.db'), { now: () => now });
      const has = copy.entries({ after: -1, limit: 1e6 }).map(({ leaf }) => leaf);
      if (!has.every((leaf, i) => leaf === leaves[i])) t.fail(`${at} is no beginning of the log`);
      if (!copy.head().origin.endsWith('/1')) t.fail(`${at} began a new log`);
      // The journal has all that the copy has not.
      await copy.spool.drain(session);
      if (numbersIn(copy).length !== journal.written) t.fail(`${at} lost records`);
      copy.close();
      const { problems } = await verify(join(at, 'cordon.db'));
      if (problems.length > 0) t.fail(`${at}: ${JSON.stringify(problems)}`);
    }
  },
);

const notRoot = process.getuid?.() !== 0;

/** A file system of its own, of so many bytes. */
function smallDisk(t: Test, size: string): string {
  const directory = temporaryDirectory(t);
  const disk = join(directory, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'cordon-test', disk]);
  t.teardown(() => execFileSync('umount', ['-l', disk]));
  return disk;
}

t.test(
  'a full disk stops what is taken in and what is signed, and nothing is lost',
  { skip: notRoot && 'needs root' },
  async (t) => {
    const disk = smallDisk(t, '3m');
    const database = join(disk, 'cordon.db');
    const journal = journalAt(join(temporaryDirectory(t), 'j'));
    const audit = openAudit(database, { now: () => now });
    t.teardown(() => audit.close());
    audit.registry.add(sampleSession(session), journal.path);
    audit.spool.register(session, journal.path);
    journal.write(300);
    await audit.spool.drain(session);
    const before = audit.checkpoint();
    const ballast = join(disk, 'ballast');
    t.throws(() => writeFileSync(ballast, Buffer.alloc(4 << 20)), { code: 'ENOSPC' });
    for (let round = 0; round < 5; round++) {
      journal.write(300);
      await t.rejects(audit.spool.drain(session), /full/);
      t.throws(
        () =>
          audit.spool.append('daemon', {
            kind: 'admin',
            operation: 'x',
            object: 'o',
            disposition: 'observed',
            layer: 'daemon',
            reason: '',
          }),
        /full/,
      );
    }
    t.equal(audit.head().size, 300, 'nothing half');
    t.equal(audit.checkpoint(), before, 'nothing new is signed');
    rmSync(ballast);
    // Some room comes back: not for all of it.
    writeFileSync(ballast, Buffer.alloc(100_000));
    await audit.spool.drain(session).catch(() => undefined);
    rmSync(ballast);
    await audit.spool.finish(session).catch(() => undefined);
    const has = numbersIn(audit);
    t.strictSame(has, upTo(has.length), 'in order, without holes');
    audit.close();
    const { ok, problems } = await verify(database);
    t.ok(ok, JSON.stringify(problems));
  },
);

t.test(
  'files that may not grow any more (RLIMIT_FSIZE) end the process with an error, never with a loss',
  async (t) => {
    if (spawnSync('prlimit', ['--version']).status !== 0)
      return void t.pass('prlimit', { skip: 'not installed' });
    const directory = temporaryDirectory(t);
    const database = join(directory, 'cordon.db');
    const journal = journalAt(join(directory, 'j'));
    const random = generator(seed + 2);
    for (const limit of [200_000, 400_000, 700_000, 1_000_000]) {
      journal.write(400);
      const child = start(database, journal.path, random(2 ** 31), limit);
      let said = '';
      child.stdout!.on('data', (text) => (said += String(text)));
      const patience = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await once(child, 'close');
      clearTimeout(patience);
      t.match(said + String(child.exitCode), /(failed .*(full|I\/O|EFBIG).*\n3|null|1)$/s, `limit ${limit}`);
    }
    const audit = openAudit(database, { now: () => now });
    if (audit.spool.open.length === 0) {
      if (audit.registry.get(session) === undefined) audit.registry.add(sampleSession(session), journal.path);
      audit.spool.register(session, journal.path);
    }
    await audit.spool.finish(session);
    t.strictSame(numbersIn(audit), upTo(journal.written));
    audit.close();
    t.match(await verify(database), { ok: true, problems: [] });
  },
);

t.test('a clock that jumps puts off no checkpoint', async (t) => {
  let time = now;
  const database = join(temporaryDirectory(t), 'cordon.db');
  const audit = openAudit(database, { now: () => time });
  const year = 365 * 86_400_000;
  for (const jump of [year, -year, -year, year]) {
    time += jump;
    audit.spool.note('daemon', {
      kind: 'admin',
      operation: 'x',
      object: 'o',
      disposition: 'observed',
      layer: 'daemon',
      reason: '',
    });
    const { size } = audit.head();
    audit.tend();
    t.match(audit.checkpoint()?.split('\n')[1], String(size));
  }
  audit.close();
  t.match(await verify(database), { ok: true, entries: 4 });
});
