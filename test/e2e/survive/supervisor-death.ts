// kill -9 of a supervisor: its sandbox dies with it, and nothing gets through in between.
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return ''; // It ended between readdir and here.
  }
}

/** Processes of this user in a pid namespace below ours that are not dead: a zombie runs nothing any more. */
const sandboxed = (uid: number): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const status = statusOf(pid);
      const inner = /^NSpid:\t\d+\t\d+/m.test(status);
      return inner && new RegExp(`^Uid:\t${uid}\t`, 'm').test(status) && !/^State:\t[ZX]/m.test(status);
    });

t.test(
  'a sandbox dies with its supervisor, and nothing is allowed meanwhile',
  { skip: skipReason() },
  async (t) => {
    const ground = await prepare(t, 'orphan');
    const { cordon, workspace, privateFile, canary } = ground;
    const shell = await ground.shell();
    const { session, supervisorPid } = await cordon.sessionIn(workspace);
    // Eight readers that try all the time, on an fd for their output that was open before.
    shell.tell(
      `for n in 1 2 3 4 5 6 7 8; do while :; do read -r line < ${privateFile} && echo "$line"; done & done 2>/dev/null`,
    );
    shell.tell('echo started');
    await until('the readers run', () => shell.output.includes('started'));
    t.ok(sandboxed(ground.user.uid).length > 8, 'they are seen from outside');

    const from = performance.now();
    process.kill(supervisorPid, 'SIGKILL');
    await until('the sandbox is dead', () => sandboxed(ground.user.uid).length === 0, {
      within: 30_000,
      every: 5,
    });
    t.comment(`the sandbox was dead after ${Math.round(performance.now() - from)} ms (goal: 1,000)`);
    await until('cordon run ends', () => shell.ended !== undefined);
    t.equal(shell.ended, 125, 'cordon run says that Cordon failed');
    t.notMatch(shell.output, canary, 'no reader got the file');

    const facts = await until('cordond says so', async () =>
      (await cordon.sessions()).find((one) => one.session === session && one.state !== 'running'),
    );
    t.match(facts.state, /ended|killed/, 'the session is over');
    const next = await ground.shell();
    t.equal((await next.ask('echo again')).text.trim(), 'again', 'a new session starts');
    t.equal(await next.leave(), 0);
  },
);

t.test(
  'a sandbox dies with its supervisor when there is no cordond either',
  { skip: skipReason() },
  async (t) => {
    const ground = await prepare(t, 'orphan');
    const { cordon, workspace } = ground;
    const shell = await ground.shell();
    const { supervisorPid } = await cordon.sessionIn(workspace);
    shell.tell('while :; do :; done');
    await cordon.killDaemon();
    process.kill(supervisorPid, 'SIGKILL');
    await until('the sandbox is dead', () => sandboxed(ground.user.uid).length === 0, {
      within: 30_000,
      every: 5,
    });
    await cordon.startDaemon();
    const after = await until('the next cordond knows', async () =>
      (await cordon.sessions()).find((one) => one.workspace === workspace && one.state !== 'running'),
    );
    t.equal(after.exitCode, 125, 'that the session was lost');
  },
);

t.test(
  'nothing that a killed supervisor let happen is missing from the record',
  { skip: skipReason() },
  async (t) => {
    const ground = await prepare(t, 'orphan');
    const { cordon, workspace } = ground;
    for (let round = 0; round < 3; round++) {
      const shell = await ground.shell();
      const { session, supervisorPid } = await until('the session runs', async () =>
        (await cordon.sessions()).find((one) => one.state === 'running' && one.workspace === workspace),
      );
      shell.tell(
        `n=0; while n=$((n + 1)); do : > made-${round}-$n; mv made-${round}-$n moved-${round}-$n; done`,
      );
      const done = (): string[] => readdirSync(workspace).filter((name) => name.includes(`-${round}-`));
      // In the middle of its work, wherever that is by then.
      await until('the agent works', () => done().length > 40 * (round + 1));
      process.kill(supervisorPid, 'SIGKILL');
      await until('cordon run ends', () => shell.ended !== undefined);
      await until('the session is over', async () =>
        (await cordon.sessions()).some((one) => one.session === session && one.state !== 'running'),
      );
      const records = await cordon.records(session);
      const made = new Set(
        records.filter(({ operation }) => operation === 'create').map(({ object }) => object),
      );
      const moved = new Set(
        records.filter(({ operation }) => operation === 'rename').map(({ object2 }) => object2),
      );
      const missing = done().filter((name) => {
        const [, , number = ''] = name.split('-');
        if (!made.has(`${workspace}/made-${round}-${number}`)) return true;
        return name.startsWith('moved') && !moved.has(`${workspace}/${name}`);
      });
      t.same(missing, [], `${done().length} files, each with the record of what made it`);
    }
  },
);
