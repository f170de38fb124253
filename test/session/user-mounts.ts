// A file system of a user's own, which root may not look at, is no reason for which sandboxes could not be made.
import t from 'tap';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { mounts } from '../../native-bindings/linux/mod.ts';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { notRoot, testUser, type TestUser } from '../support/user.ts';

const noFuse = existsSync('/dev/fuse') ? undefined : 'there is no FUSE';

/** As fusermount(1) makes it, without allow_other. Nobody serves it: its user would wait. Returns how to end it. */
function mountOf(user: TestUser, place: string): () => void {
  const device = openSync('/dev/fuse', 'r+');
  const data = `fd=${device},rootmode=40000,user_id=${user.uid},group_id=${user.gid}`;
  mounts.mount('own', place, 'fuse', mounts.MS.NOSUID | mounts.MS.NODEV, data);
  return () => {
    closeSync(device);
    mounts.detach(place);
  };
}

t.test('file systems of a user', { skip: notRoot() ?? notBuilt() ?? noFuse ?? false }, async (t) => {
  const user = testUser('mounts');
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  const own = join(workspace, 'own');
  mkdirSync(own);
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  const hidden = temporaryDirectory(t);
  const inner = join(hidden, 'inner');

  t.teardown(mountOf(user, own));
  // Below /tmp, with another inside it: out of root's reach both.
  mounts.mount('outer', hidden, 'tmpfs', 0);
  t.teardown(() => mounts.detach(hidden));
  mkdirSync(inner);
  mounts.mount('inner', inner, 'tmpfs', 0);
  t.teardown(mountOf(user, hidden));

  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  const options = { user, workspace, profile: 'coding-agent' };
  const ran = await cordon.run(['bash', '-c', 'echo began; ls -A own; touch own/x && echo written'], options);
  t.equal(ran.code, 0, ran.stderr + cordon.log);
  t.equal(ran.stdout, 'began\nwritten\n', 'it is not in the sandbox: what it lies over is');
});
