// What a profile's limits do in a real session: memory ends what asks for more, wall time ends the session, and the share of
// the processor is in force for every process. (That of processes: abuse.ts.)
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

const skip = skipReason();

/** A file of the group of a session's first process, as its kernel's version of control groups calls it; undefined: there is none. */
function limitOf(pid: number, controller: string, v1: string, v2: string): string | undefined {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')) {
    const [, names = '', group = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names !== '' && !names.split(',').includes(controller)) continue;
    const kind = names === '' ? ' - cgroup2 ' : ' - cgroup ';
    for (const mount of mounts.filter((each) => each.includes(kind))) {
      const file = join(mount.split(' ')[4] ?? '', group, names === '' ? v2 : v1);
      if (existsSync(file)) return readFileSync(file, 'utf8').trim();
    }
  }
  return undefined;
}

t.test('a program that asks for more memory than the session may have is ended', { skip }, async (t) => {
  const ground = await prepare(t, 'limits', { limits: 'processes: 64, memory: 256MiB, cpu: 50%' });
  const shell = await ground.shell();
  const { initPid } = await ground.cordon.sessionIn(ground.workspace);
  t.equal(limitOf(initPid, 'memory', 'memory.limit_in_bytes', 'memory.max'), String(256 * 2 ** 20));
  t.match(limitOf(initPid, 'cpu', 'cpu.cfs_quota_us', 'cpu.max'), /^50000( 100000)?$/, 'half a processor');
  const take = (mib: number): string => `perl -e '$x = "x" x (${mib} * 1024 * 1024); print length($x) >> 20'`;
  t.match(await shell.ask(take(32), 60_000), { code: 0, text: /32/ }, 'less is there');
  const much = await shell.ask(take(600), 60_000);
  t.not(much.code, 0, 'more is not');
  t.notMatch(much.text, /^600/m);
  t.equal((await shell.ask('echo still here')).text.trim(), 'still here', 'the others of the session go on');
  t.equal(await shell.leave(), 0);
});

t.test('a session ends when its wall time is over, with all that runs in it', { skip }, async (t) => {
  const ground = await prepare(t, 'limits', { limits: 'processes: 64, memory: 1GiB, wall: 3s' });
  const { cordon, how, workspace } = ground;
  const ran = await cordon.run(['sh', '-c', 'sleep 3600 & sleep 3600; echo survived'], how);
  t.equal(ran.code, 137, 'as after SIGKILL');
  t.notMatch(ran.stdout, /survived/);
  t.match(ran.stderr, /wall time/, 'and it is said why');
  const { session } = await cordon.sessionIn(workspace);
  const record = await until('it is on record', async () =>
    (await cordon.records(session)).find(({ operation }) => operation === 'limit'),
  );
  t.match(record, { kind: 'session', object: 'wall time', reason: /3 seconds/ });
});
