import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon, until } from '../support/daemon.ts';
import type { TestDaemon } from '../support/daemon.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

const seqsOf = async (daemon: TestDaemon, session: string): Promise<number[]> =>
  (await daemon.records({ session }))
    .filter(({ id }) => String(id).startsWith(session))
    .map(({ seq }) => Number(seq));

t.test('sessions go on while the daemon is killed again and again, and no record is missing', async (t) => {
  const daemon = await startDaemon(t);
  const ids = [await daemon.run({ FAKE_EVERY: '3' }), await daemon.run({ FAKE_EVERY: '3' })];
  for (let round = 0; round < 3; round++) {
    await daemon.crash();
    await daemon.start();
    for (const id of ids) {
      const before = (await daemon.session(id)).denied;
      await until(async () => (await daemon.session(id)).denied > before + 20);
      t.match(await daemon.session(id), { state: 'running', ended: 0 });
    }
  }
  for (const id of ids) {
    const seqs = await seqsOf(daemon, id);
    t.strictSame(
      seqs,
      Array.from({ length: seqs.length }, (_, i) => i + 1),
      `${seqs.length} records of ${id}`,
    );
  }
});

t.test('an adopted session is controlled as before', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run();
  await daemon.crash();
  await daemon.start();
  const connection = await daemon.connect();
  await until(() =>
    connection.ask('control', { verb: 'freeze', session: id }).then(
      () => true,
      () => false,
    ),
  );
  t.match(await daemon.session(id), { state: 'frozen' });
  await connection.ask('control', { verb: 'resume', session: id });
  t.match(await daemon.session(id), { state: 'running' });
  daemon.process().kill('SIGHUP');
  await until(async () => (await daemon.session(id)).generation === 2);
  const { sessions } = await connection.askFor('control', { verb: 'kill', session: id }, 'controlAnswer');
  t.strictSame(sessions, [id]);
  await until(async () => (await daemon.session(id)).ended > 0);
  t.match(await daemon.session(id), { state: 'killed' });
});

t.test('a session that ended while the daemon was away has ended as its journal says', async (t) => {
  const daemon = await startDaemon(t);
  const argv = ['sh', '-c', 'sleep 1; exit 7'].map((word) => Buffer.from(word));
  const id = await daemon.run({}, { argv });
  const { supervisorPid } = await daemon.session(id);
  await daemon.crash();
  await until(() => !existsSync(`/proc/${supervisorPid}`));
  await daemon.start();
  t.match(await daemon.session(id), { state: 'ended', exitCode: 7 });
  t.equal((await seqsOf(daemon, id)).length, 2, 'launch and exit');
  t.notOk(existsSync(join(daemon.stateDir, 'journal', `${id}.journal`)));
  t.notOk(existsSync(join(daemon.runDir, 'sessions', id)));
});

t.test('a supervisor that is killed takes its session with it, at once', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run({ FAKE_RECORDS: '5' });
  const { supervisorPid, initPid } = await daemon.session(id);
  process.kill(supervisorPid, 'SIGKILL');
  await until(() => !existsSync(`/proc/${initPid}`));
  await until(async () => (await daemon.session(id)).ended > 0);
  t.match(await daemon.session(id), { state: 'ended', exitCode: 125 });
  t.equal((await seqsOf(daemon, id)).length, 6, 'what it journaled is kept');
});

t.test(
  'a supervisor that dies while the daemon is away takes its session with it when the daemon is back',
  async (t) => {
    const daemon = await startDaemon(t);
    const id = await daemon.run();
    const { supervisorPid, initPid } = await daemon.session(id);
    await daemon.crash();
    process.kill(supervisorPid, 'SIGKILL');
    await until(() => !existsSync(`/proc/${supervisorPid}`));
    await daemon.start();
    t.notOk(existsSync(`/proc/${initPid}`));
    t.match(await daemon.session(id), { state: 'ended', exitCode: 125 });
  },
);

t.test('supervisors of the pool are not left behind by a daemon that was killed', async (t) => {
  const daemon = await startDaemon(t);
  const { supervisorPid } = await daemon.session(await daemon.run());
  await daemon.crash();
  await daemon.start();
  const connection = await daemon.connect();
  await until(async () => {
    const { json } = await connection.askFor('status', {}, 'statusAnswer');
    return (JSON.parse(json) as { pool: { ready: number } }).pool.ready === 1;
  });
  t.ok(existsSync(`/proc/${supervisorPid}`), 'the one with a session stays');
});
