// What became of a change is in its record: done, or the errno that the kernel gave; and of a program, what it was.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { notRoot, testUser } from '../support/user.ts';

/** Command, operation, its object below the workspace, outcome. */
const changes: readonly (readonly [string, string, string, string])[] = [
  ['echo x > made', 'create', 'made', '0'],
  ['mkdir dir', 'mkdir', 'dir', '0'],
  ['mv made moved', 'rename', 'made', '0'],
  ['ln moved linked', 'link', 'moved', '0'],
  ['ln -s moved soft', 'symlink', 'soft', '0'],
  ['chmod 600 moved', 'chmod', 'moved', '0'],
  ['truncate -s 5 moved', 'write', 'moved', '0'],
  ['touch -d @0 moved', 'utime', 'moved', '0'],
  ['rmdir moved', 'rmdir', 'moved', 'ENOTDIR'],
  ['rm linked', 'unlink', 'linked', '0'],
  ['rmdir dir', 'rmdir', 'dir', '0'],
];

t.test('outcomes', { skip: notRoot() ?? notBuilt() ?? false }, async (t) => {
  const user = testUser('outcomes');
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);
  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  const script = `${changes.map(([command]) => command).join('; ')}; /usr/bin/env true 'an argument'; exit 0`;
  const ran = await cordon.run(['bash', '-c', script], { user, workspace, profile: 'coding-agent' });
  t.equal(ran.code, 0, ran.stderr);
  const { session } = await cordon.sessionIn(workspace);
  const records = await cordon.records(session);
  for (const [command, operation, name, outcome] of changes) {
    const place = join(workspace, name);
    const found = records.filter(
      (record) => record.operation === operation && (record.object === place || record.object2 === place),
    );
    t.ok(
      found.some((record) => record.outcome === outcome && record.disposition === 'allowed'),
      `${command}: ${operation} ${outcome}`,
      { found: found.map((record) => `${record.operation} ${record.object} ${record.outcome ?? ''}`) },
    );
  }
  const image = realpathSync('/usr/bin/env');
  const exec = records.find(({ kind, object }) => kind === 'exec' && object === image);
  const sha256 = createHash('sha256').update(readFileSync(image)).digest('hex');
  t.match(
    exec,
    { disposition: 'allowed', outcome: '0', detail: { sha256 } },
    'path and digest of what was executed',
  );
  t.match(exec?.detail?.['argv'], ['/usr/bin/env', 'true', 'an argument'], 'and its arguments');
});
