// A session that no cordond knows, its database having been put back or lost, can be stopped by nobody: it ends itself.
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';

t.test('a session that its daemon does not know', { skip: notRoot() ?? notBuilt() ?? false }, async (t) => {
  const user = testUser('disowned');
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  chownSync(workspace, user.uid, user.gid);
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  const client = cordon.spawn(['sleep', '1000'], { user, workspace, profile: 'default' });
  t.teardown(() => void client.kill());
  const { session, initPid, supervisorPid } = await until('the session runs', async () => {
    const found = await cordon.sessionIn(workspace);
    return found.state === 'running' && found.processes > 0 ? found : undefined;
  });

  await cordon.killDaemon();
  for (const name of readdirSync(cordon.stateDir))
    if (/^cordon\.db(?:-wal|-shm)?$/.test(name)) rmSync(join(cordon.stateDir, name));
  await cordon.startDaemon();
  await until(
    'nothing of it lives',
    () => ![initPid, supervisorPid].some((pid) => existsSync(`/proc/${pid}`)),
  );
  t.match(
    (await cordon.records('daemon')).filter(({ operation }) => operation === 'adopt'),
    [{ object: session, disposition: 'denied', reason: /not on record/ }],
    'it has ended, and that it was refused is on record',
  );
});
