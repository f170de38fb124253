// A journal whose disk answers EIO: strace makes the supervisor's writes to it fail. What cannot be recorded does not happen.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

const skip = skipReason() || (spawnSync('strace', ['--version']).status === 0 ? false : 'there is no strace');

t.test(
  'with a journal disk that answers EIO nothing is allowed, and it works on after',
  { skip },
  async (t) => {
    const ground = await prepare(t, 'eio');
    const { cordon, workspace } = ground;
    const shell = await ground.shell();
    const { session, supervisorPid } = await cordon.sessionIn(workspace);
    t.equal((await shell.ask('echo one > one')).code, 0, 'an allowed write works');

    const journal = join(cordon.stateDir, 'journal', `${session}.journal`);
    const tracer = spawn(
      'strace',
      [
        ...['-f', '-qq', '-o', '/dev/null', '-p', String(supervisorPid), '-P', journal, '-e', 'trace=write'],
        ...['-e', 'inject=write:error=EIO'],
      ],
      { stdio: 'ignore' },
    );
    t.teardown(() => tracer.kill('SIGKILL'));
    const traced = (): boolean =>
      /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${supervisorPid}/status`, 'utf8'));
    await until('the supervisor is traced', traced);
    await until('the journal takes no more', async () => (await shell.ask(': > filler')).code !== 0);
    t.not((await shell.ask('echo two > two')).code, 0, 'a write is refused');
    t.notOk(existsSync(join(workspace, 'two')), 'and has no effect');
    t.not((await shell.ask('/bin/true')).code, 0, 'a program is not started');
    t.equal((await cordon.cli(['status', '--json'])).code, 0, 'cordond still answers');

    tracer.kill('SIGINT');
    await once(tracer, 'exit');
    await until('the disk works again', async () => (await shell.ask('echo three > three')).code === 0);
    t.equal(await shell.leave(), 0);
    const records = await until('it is on record', async () => {
      const all = await cordon.records(session);
      return all.some(({ object }) => object.endsWith('/three')) ? all : undefined;
    });
    t.match(
      records.filter(({ layer, operation }) => layer === 'journal' && operation === 'journal'),
      [{ reason: /EIO/ }],
      'one record says how many are missing, and why',
    );
    t.same(
      records.filter(({ operation }) => operation === 'journal-damage' || operation === 'journal-hole'),
      [],
      'the journal has neither damage nor holes',
    );
  },
);
