// Memory of cordond and of one live session (its supervisor and its egress; not the agent). Run (as root, after
// npm run build):
//   bash daemon/scripts/node24.sh test/bench/memory.ts
// PSS of /proc/PID/smaps_rollup: pages that processes share are divided among them.
import { globSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { onStage, type Stage } from './support/stage.ts';

const settle = 3000;

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

function processes(): Process[] {
  return globSync('/proc/[0-9]*').flatMap((path) => {
    try {
      const stat = readFileSync(`${path}/stat`, 'utf8');
      const command = readFileSync(`${path}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      return [{ pid: Number(path.slice(6)), parent, command }];
    } catch {
      return []; // Ended meanwhile.
    }
  });
}

/** MiB. */
function pss(pid: number): number {
  const line = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  return Number(line?.[1]) / 1024;
}

const row = (name: string, value: number, goal = ''): void =>
  console.log(`  ${name.padEnd(44)}${value.toFixed(1).padStart(8)}  ${goal}`);

function report(stage: Stage, supervisorPid: number): void {
  const all = processes();
  const egress = all.filter(({ parent, command }) => parent === supervisorPid && command.includes('egress'));
  const own = [supervisorPid, ...egress.map(({ pid }) => pid)];
  console.log('\nmemory (MiB, PSS of /proc/PID/smaps_rollup)');
  row('cordond', pss(stage.cordon.daemonPid), 'goal: ≤ 80');
  row('one session: supervisor', pss(supervisorPid));
  for (const { pid } of egress) row('one session: egress', pss(pid));
  row(
    'one session together',
    own.map(pss).reduce((sum, one) => sum + one, 0),
    'goal: ≤ 60',
  );
  const pool = all.filter(
    ({ pid, command }) =>
      pid !== supervisorPid && command.includes('supervisor') && command.includes(stage.cordon.runDir),
  );
  for (const { pid } of pool) row('supervisor waiting in the pool', pss(pid));
}

await onStage({}, async (stage) => {
  const { cordon, user, workspace } = stage;
  const child = cordon.spawn(['sleep', '1000'], { user, workspace, profile: 'coding-agent' });
  const session = await cordon.sessionIn(workspace);
  const running = await until('the session runs', async () =>
    (await cordon.sessions()).find((one) => one.session === session.session && one.state === 'running'),
  );
  await pause(settle);
  report(stage, running.supervisorPid);
  const ended = new Promise((resolve) => child.once('close', resolve));
  await cordon.cli(['kill', session.session]);
  await ended;
});
