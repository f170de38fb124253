// Monitor mode: what would be denied happens, and is on record as such.
import t from 'tap';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { notRoot, testUser } from '../support/user.ts';

const profile = `cordon: 1
name: watched
version: 1
extends: [locked-down]
mode: monitor
files:
  - { allow: [read, exec], in: ["\${workspace}"] }
  - { never: [read], in: ["\${home}/kept"], because: "kept" }
`;

t.test('monitor mode', { skip: notRoot() ?? notBuilt() ?? false }, async (t) => {
  const user = testUser('watched');
  const base = mkdtempSync(join(user.home, 'mon-'));
  const [workspace, other] = [join(base, 'ws'), join(base, 'other')];
  for (const place of [workspace, other]) mkdirSync(place);
  writeFileSync(join(user.home, 'kept'), 'KEPT');
  // Another file system than that of /.
  spawnSync('mount', ['-t', 'tmpfs', 'none', other]);
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, base, join(user.home, 'kept')]);
  t.teardown(() => {
    spawnSync('umount', [other]);
    rmSync(base, { recursive: true, force: true });
  });
  const cordon = await TestCordon.start({ profiles: { watched: profile } });
  t.teardown(() => cordon.stop().then(() => undefined));

  const script = `cat ~/kept; echo there > ${base}/made; echo there > ${other}/made; echo here > made`;
  const ran = await cordon.run(['sh', '-c', script], { user, workspace, profile: 'watched' });
  t.match(ran.stdout, /KEPT/, 'a never file is read');
  for (const place of [base, other, workspace])
    t.match(readFileSync(join(place, 'made'), 'utf8'), /here/, `${place} is written to`);
  t.match(ran.stderr, /actions would have been blocked \(monitor mode\)/, 'the summary says so');
  t.notMatch(ran.stderr, /were blocked/);
  const { session } = await cordon.sessionIn(workspace);
  const records = await cordon.blocks(session);
  for (const place of [join(user.home, 'kept'), join(base, 'made'), join(other, 'made')])
    t.ok(
      records.find((record) => record.object === place && record.disposition === 'would-deny'),
      `${place} is on record as would-deny`,
    );
});
