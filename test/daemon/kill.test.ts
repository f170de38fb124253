import { existsSync } from 'node:fs';
import t from 'tap';
import { startDaemon, until } from '../support/daemon.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

const shell = (script: string): { argv: Buffer[] } => ({
  argv: ['sh', '-c', script].map((word) => Buffer.from(word)),
});
/** Double-forked, stopped and ordinary processes; says that it is ready by existing. */
const crowd = shell(`
  for i in $(seq 40); do (setsid sleep 1000 &) ; sleep 1000 & done
  for i in $(seq 10); do sh -c 'kill -STOP $$' & done
  wait`);

const launches = async (run: () => Promise<string>): Promise<string> =>
  run().then(
    () => 'done',
    (error: unknown) => (error as { code: string }).code,
  );

t.test('kill ends every process of the session, also when its supervisor does nothing', async (t) => {
  const daemon = await startDaemon(t);
  for (const environment of [{}, { FAKE_DEAF: '1' }]) {
    const id = await daemon.run(environment, crowd);
    await until(async () => (await daemon.session(id)).processes >= 90);
    const { initPid } = await daemon.session(id);
    const connection = await daemon.connect();
    const answer = await connection.askFor('control', { verb: 'kill', session: id }, 'controlAnswer');
    t.notOk(existsSync(`/proc/${initPid}`) && answer.sessions.length === 0, 'the first process is gone');
    t.equal((await daemon.session(id)).processes, 0);
    t.match(await daemon.session(id), { state: 'killed' });
    t.match(await daemon.run(), /^[a-z2-7]{8}$/, 'a kill of one session stops no launches');
  }
});

t.test(
  'kill --all ends all, refuses launches, and does so still after the daemon was killed too',
  async (t) => {
    const daemon = await startDaemon(t);
    const ids = [await daemon.run(), await daemon.run({ FAKE_DEAF: '1' }), await daemon.run()];
    const connection = await daemon.connect();
    const answer = await connection.askFor(
      'control',
      { verb: 'kill', all: true, reason: 'incident 7' },
      'controlAnswer',
      { deadline: 20_000 },
    );
    t.strictSame([...answer.sessions].sort(), [...ids].sort());
    await t.rejects(daemon.run(), { code: 'killed', message: /incident 7/ });
    await daemon.crash();
    await daemon.start();
    await t.rejects(daemon.run(), { code: 'killed', message: /incident 7/ });
    for (const id of ids) t.match(await daemon.session(id), { state: 'killed' });
    const again = await daemon.connect();
    t.ok((await again.askFor('status', {}, 'statusAnswer')).killed);
    await again.ask('control', { verb: 'resume', all: true });
    t.ok(await daemon.run());
    const acts = (await daemon.records({ session: 'daemon' })).filter(
      ({ operation }) => operation === 'kill' || operation === 'resume',
    );
    t.match(acts, [
      { operation: 'kill', object: 'all', reason: 'incident 7', detail: { uid: 0 } },
      { operation: 'resume', object: 'all' },
    ]);
  },
);

t.test('a launch that races with kill --all either never was or is dead', async (t) => {
  const daemon = await startDaemon(t);
  for (let round = 0; round < 6; round++) {
    const started = Array.from({ length: 3 }, () => launches(() => daemon.run()));
    const connection = await daemon.connect();
    for (let i = 0; i < round; i++) await new Promise((resolve) => setImmediate(resolve));
    await connection.ask('control', { verb: 'kill', all: true }, { deadline: 20_000 });
    await Promise.all(started);
    await until(async () => (await connection.askFor('status', {}, 'statusAnswer')).sessions === 0);
    await connection.ask('control', { verb: 'resume', all: true });
  }
  t.pass('nothing lived on');
});
