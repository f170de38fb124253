// kill -9 of a supervisor: its sandbox dies with it, and nothing gets through in between.
import { existsSync } from 'node:fs';
import t from 'tap';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);

t.test(
  'a sandbox dies with its supervisor, and nothing is allowed meanwhile',
  { skip: skipReason() },
  async (t) => {
    const ground = await prepare(t, 'survive');
    const { cordon, workspace, privateFile, canary } = ground;
    const shell = await ground.shell();
    const { session, supervisorPid, initPid } = await cordon.sessionIn(workspace);
    t.ok(alive(initPid), "the sandbox's first process is there");
    // Eight readers that try all the time, on an fd for their output that was open before.
    shell.tell(
      `for n in 1 2 3 4 5 6 7 8; do while :; do read -r line < ${privateFile} && echo "$line"; done & done 2>/dev/null`,
    );
    shell.tell('echo started');
    await until('the readers run', () => shell.output.includes('started'));

    const from = performance.now();
    process.kill(supervisorPid, 'SIGKILL');
    await until('the sandbox is dead', () => !alive(initPid), { within: 5_000, every: 5 });
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
