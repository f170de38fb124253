// What people see of a session: counted right, said in words, and as often as it happened.
import t from 'tap';
import { mkdtempSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { SandboxShell } from '../support/sandbox-shell.ts';
import { notRoot, testUser } from '../support/user.ts';

/** Of keyctl(2). */
const keyctl = process.arch === 'arm64' ? 219 : 250;

const profile = `cordon: 1
name: noise
version: 1
extends: [coding-agent]
exec:
  - { allow: ["**"] }
  - { never: [/usr/bin/factor], because: "no factors here" }
`;

t.test('a session as people see it', { skip: notRoot() ?? notBuilt() ?? false }, async (t) => {
  const user = testUser('noise');
  const cordon = await TestCordon.start({ profiles: { noise: profile } });
  t.teardown(() => cordon.stop().then(() => undefined));
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);
  const options = { user, workspace, profile: 'noise' };

  await t.test('a command that may not be executed is refused in words', async (t) => {
    const ran = await cordon.run(['factor', '6'], options);
    t.equal(ran.code, 126);
    t.match(ran.stderr, /cordon: \/usr\/bin\/factor may not be executed: .*no factors here/);
    t.notMatch(ran.stderr, /EACCES/);
  });

  await t.test('processes are counted, and so are refusals', async (t) => {
    const shell = await SandboxShell.start(cordon, options);
    const { session } = await cordon.sessionIn(workspace);
    const count = async (): Promise<number> => {
      const { stdout } = await cordon.cli(['sessions', '--json']);
      return Number(/"processes":(\d+)/.exec(stdout.slice(stdout.indexOf(session)))?.[1]);
    };
    t.equal(await count(), 1, 'the shell');
    await shell.ask('sleep 100 & sleep 100 & (sleep 100 &) ; true');
    t.equal(await count(), 4, 'the shell, two children, and an orphan');
    await shell.ask('for i in 1 2 3; do unshare -U true; done');
    await shell.ask(`perl -e 'syscall(${keyctl}, 0, 0, 0) for 1..3'`);
    await shell.ask('for i in 1 2 3; do (exec 3<>/dev/tcp/127.0.0.1/9); done');
    await shell.ask('kill %1 %2');
    await shell.leave();
    const blocks = await cordon.blocks(session);
    const times = (operation: string): number => blocks.filter((b) => b.operation === operation).length;
    t.equal(times('unshare'), 3, 'once for each process that tried');
    t.equal(
      blocks.filter(({ object }) => object === '127.0.0.1:9').length,
      1,
      'a port of loopback where nobody listens: once',
    );
    t.equal(times('keyctl'), 3, 'a refused call: as often as it was tried, by one process too');
  });
});
