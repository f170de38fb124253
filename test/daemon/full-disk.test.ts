import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { procfs } from '../../native-bindings/linux/mod.ts';
import { processesNaming } from '../support/leftovers.ts';
import { startDaemon, until } from '../support/daemon.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

t.test(
  'a disk that takes nothing more keeps nothing from being killed, and nothing new starts',
  async (t) => {
    const daemon = await startDaemon(t, undefined, (stateDir) => {
      mkdirSync(stateDir);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'cordon-test', stateDir]);
      t.teardown(() => execFileSync('umount', ['--lazy', stateDir]));
    });
    const id = await daemon.run({ FAKE_RECORDS: '50' });
    const { initPid } = await daemon.session(id);
    const filler = join(daemon.stateDir, 'filler');
    t.throws(
      () => {
        for (let i = 0; ; i++) writeFileSync(`${filler}${i}`, Buffer.alloc(i < 60 ? 65_536 : 4096));
      },
      { code: 'ENOSPC' },
    );
    const supervisors = (): number => processesNaming(daemon.runDir).length;
    const asking = await daemon.connect();
    const idle = async (): Promise<boolean> => {
      const { json } = await asking.askFor('status', {}, 'statusAnswer');
      const { pool } = JSON.parse(json) as { pool: Record<'ready' | 'starting' | 'preparing', number> };
      return pool.ready > 0 && pool.starting === 0 && pool.preparing === 0;
    };
    await until(idle);
    const before = supervisors();
    for (let i = 0; i < 5; i++)
      await t.rejects(
        daemon.run(),
        { code: 'internal', message: /disk with the state directory is full/, facts: { fix: /make room/ } },
        'a launch that cannot be put on record is refused',
      );
    await until(async () => (await idle()) && supervisors() <= before);
    const connection = await daemon.connect();
    await t.rejects(connection.ask('control', { verb: 'resume', all: true }), { code: 'internal' });
    await t.rejects(connection.ask('control', { verb: 'kill', all: true }, { deadline: 20_000 }), {
      message: /not on record/,
    });
    t.match(
      procfs.processState(initPid),
      /^[ZX]?$/,
      'and yet it is dead, whether or not its parent has looked',
    );
    t.match(await connection.ask('status'), { kind: 'statusAnswer', body: { killed: true } });
    for (let i = 0; existsSync(`${filler}${i}`); i++) rmSync(`${filler}${i}`);
    await until(async () => (await connection.askFor('status', {}, 'statusAnswer')).sessions === 0);
    t.match(await connection.ask('control', { verb: 'resume', all: true }), { kind: 'controlAnswer' });
    t.ok(await daemon.run());
  },
);
