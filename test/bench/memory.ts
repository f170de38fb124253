// Memory of cordond and of one live session (its supervisor and its egress; not the agent). Run (as root, after
// npm run build):
//   bash daemon/scripts/node24.sh test/bench/memory.ts
// PSS of /proc/PID/smaps_rollup: pages that processes share are divided among them.
// Beside it the floor: processes of Node with as many isolates, the same flags, and no code of ours.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { onStage, type Stage } from './support/stage.ts';

const settle = 7000; // After that a session has given back what starting it took.

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

/** Threads of a session's supervisor that have an isolate of their own. */
const workers = 3;
const small = ['--max-semi-space-size=1', '--single-threaded-gc'];

/** MiB of a process of Node that does nothing, in so many workers. */
async function floor(count: number, flags: readonly string[]): Promise<number> {
  const code = `
    const { Worker } = require('node:worker_threads');
    const wait = 'require("node:worker_threads").parentPort.on("message", () => undefined)';
    let missing = ${count};
    const ready = () => setTimeout(() => console.log('ready'), 500);
    for (let i = 0; i < ${count}; i++) new Worker(wait, { eval: true }).on('online', () => --missing === 0 && ready());
    if (missing === 0) ready();
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, [...small, ...flags, '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { MALLOC_ARENA_MAX: '1' },
  });
  await once(child.stdout, 'data');
  const size = pss(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return size;
}

const row = (name: string, value: number, goal = ''): void =>
  console.log(`  ${name.padEnd(44)}${value.toFixed(1).padStart(8)}  ${goal}`);

async function report(stage: Stage, supervisorPid: number): Promise<void> {
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
  const [supervisor, other] = [await floor(workers, ['--optimize-for-size']), await floor(0, [])];
  row('floor: Node with three empty workers', supervisor);
  row('floor: Node alone', other);
  row('floor of a session together', supervisor + other);
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
  await report(stage, running.supervisorPid);
  const ended = new Promise((resolve) => child.once('close', resolve));
  await cordon.cli(['kill', session.session]);
  await ended;
});
