// `cordon kill`: from the call to the last of 500 processes dead. Run (as root, after npm run build):
//   bash daemon/scripts/node24.sh test/bench/kill.ts
// The processes are those of test/support/crowd.c: plain, double-forked, stopped, deaf to signals, uninterruptible.
import { join } from 'node:path';
import { connect, type Connection } from '../../daemon/wire/mod.ts';
import { buildCrowd, holdPidNamespace, inState, membersOf } from '../support/crowd.ts';
import { until } from '../support/until.ts';
import { onStage, type Stage } from './support/stage.ts';

const count = 500;
const rounds = 5;

const profile = `cordon: 1
name: crowd
version: 1
extends: [base-linux]
files:
  - { allow: [read, write, exec], in: ["\${workspace}"] }
exec:
  - { allow: ["**"] }
limits: { processes: 600 }
`;

interface Crowd {
  readonly session: string;
  /** Processes that are not yet dead. */
  readonly living: () => number;
  readonly ended: Promise<unknown>;
}

async function gather({ cordon, user, workspace }: Stage, program: string): Promise<Crowd> {
  const child = cordon.spawn([program, String(count)], { user, workspace, profile: 'crowd' });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const running = await until('the session runs', async () =>
    (await cordon.sessions()).find((one) => one.workspace === workspace && one.state === 'running'),
  );
  const namespace = holdPidNamespace(running.initPid);
  void ended.then(() => namespace.release());
  const members = (): ReturnType<typeof membersOf> => membersOf(namespace);
  await until(`${count} processes`, () => members().length >= count && inState(members(), 'T') > count / 7, {
    within: 60_000,
  });
  const dead = (): number => inState(members(), 'Z') + inState(members(), 'X');
  return { session: running.session, living: () => members().length - dead(), ended };
}

/** Milliseconds, for one who is connected. */
async function kill(connection: Connection, request: object): Promise<number> {
  const begin = performance.now();
  await connection.askFor('control', { verb: 'kill', ...request }, 'controlAnswer');
  return performance.now() - begin;
}

function row(name: string, times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const [median, most] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  console.log(
    `  ${name.padEnd(34)}${median?.toFixed(0).padStart(6)}${most?.toFixed(0).padStart(8)}  goal: ≤ 1000`,
  );
}

await onStage({ crowd: profile }, async (stage) => {
  const program = buildCrowd(stage.workspace, stage.user);
  const connection = await connect(join(stage.cordon.runDir, 'admin.sock'));
  const times = { one: new Array<number>(), all: new Array<number>() };
  for (let round = 0; round < rounds * 2; round++) {
    const { session, living, ended } = await gather(stage, program);
    const all = round % 2 === 1;
    const time = await kill(connection, all ? { all } : { session });
    if (living() > 0) throw new Error(`${living()} processes outlived the kill`);
    (all ? times.all : times.one).push(time);
    if (all) await connection.ask('control', { verb: 'resume', all });
    await ended;
  }
  connection.close();
  console.log(`\nkill of ${count} processes (ms until the last is dead, median and longest of ${rounds})`);
  row('kill SESSION', times.one);
  row('kill --all', times.all);
});
