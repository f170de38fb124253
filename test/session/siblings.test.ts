// Processes that make themselves siblings of the command (clone(2), CLONE_PARENT): children of the supervisor's, not of their maker's.
import t from 'tap';
import { mkdtempSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { notRoot, testUser } from '../support/user.ts';

const noClone = process.arch === 'x64' ? undefined : 'the number of clone(2) here is that of x86-64';

t.test('siblings of the command', { skip: notRoot() ?? notBuilt() ?? noClone ?? false }, async (t) => {
  const user = testUser('siblings');
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);
  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  // CLONE_PARENT and SIGCHLD. What is gone leaves its number free; a dead process that nobody waited for does not.
  const script = `use strict; my @made;
    for (1 .. 20) { my $pid = syscall(56, 0x8000 | 17, 0, 0, 0, 0); die "clone: $!" if $pid < 0; syscall(60, 0) if $pid == 0; push @made, $pid }
    for (1 .. 200) { last unless grep { -d "/proc/$_" } @made; select(undef, undef, undef, 0.05) }
    my $left = grep { -d "/proc/$_" } @made; print "$left of 20 left\\n"`;
  const ran = await cordon.run(['perl', '-e', script], { user, workspace, profile: 'coding-agent' });
  t.equal(ran.stdout, '0 of 20 left\n', ran.stderr);
});
