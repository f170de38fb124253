// A supervisor without a descriptor left cannot look at what is opened: the open is refused, and on record.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { SandboxShell } from '../support/sandbox-shell.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';

/** Descriptors that stay open, and none besides. */
const none = 8;

t.test('an open that cannot be looked at', { skip: notRoot() ?? notBuilt() ?? false }, async (t) => {
  const user = testUser('nofd');
  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  for (const place of ['before', 'during']) {
    mkdirSync(join(workspace, place));
    writeFileSync(join(workspace, place, 'file'), 'CONTENT\n');
  }
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  const shell = await SandboxShell.start(cordon, { user, workspace, profile: 'coding-agent' });
  // A builtin: no program is started meanwhile.
  const read = (place: string) => shell.ask(`line=; read -r line < ${workspace}/${place}/file; echo "$line"`);
  t.match((await read('before')).text, /CONTENT/);

  const { session, supervisorPid } = await cordon.sessionIn(workspace);
  const limit = (soft: number): void => {
    const set = spawnSync('prlimit', ['--pid', String(supervisorPid), `--nofile=${soft}:`]);
    t.equal(set.status, 0, set.stderr.toString());
  };
  limit(none);
  const refused = await read('during');
  limit(1024);
  t.notMatch(refused.text, /CONTENT/);
  t.match((await read('during')).text, /CONTENT/, 'and goes on when there are descriptors again');
  const recorded = await until('the refusal is on record', async () =>
    (await cordon.blocks(session)).find(({ reason }) => /could not be opened to be judged/.test(reason)),
  );
  t.match(recorded.reason, /EMFILE/);
  await shell.leave();
});
