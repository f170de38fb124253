// What git does all day still works where configuration and hooks of every repository are guarded.
import t from 'tap';
import { mkdtempSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { notRoot, testUser } from '../support/user.ts';

const steps: readonly (readonly [title: string, script: string])[] = [
  [
    'a repository is made',
    'git init -q -b main main && cd main && echo x > a && git add a && git commit -qm one',
  ],
  [
    'a bare one is made',
    'git init -q --bare -b main bare.git && git -C bare.git config receive.denyNonFastForwards true',
  ],
  [
    'it is pushed to',
    'git -C main push -q ../bare.git HEAD:refs/heads/main && git -C bare.git rev-parse -q main',
  ],
  ['it is cloned, bare', 'git clone -q --bare main copy.git && git -C copy.git fsck --no-progress'],
  [
    'a worktree of a bare repository is added and used',
    'git -C copy.git worktree add -q ../tree && cd tree && echo y > b && git add b && git commit -qm two && git -C ../copy.git worktree list',
  ],
  [
    'a worktree inside the repository is added with the settings it tracks',
    "cd main && mkdir .claude && git worktree add -q .worktrees/w && cd .worktrees/w && mkdir -p .claude && echo '{}' > .mcp.json && echo '{}' > .claude/settings.json && git add -A && git commit -qm settings && git worktree add -q ../v && cat ../v/.mcp.json",
  ],
  [
    'a submodule is added and updated',
    'cd main && git -c protocol.file.allow=always submodule add -q ../bare.git sub && git commit -qm sub && git submodule status',
  ],
  [
    'a repository with its git directory elsewhere is cloned',
    'git clone -q --separate-git-dir=apart.git bare.git together && git -C together log -1 --format=%s',
  ],
  [
    'they are removed',
    'rm -rf bare.git copy.git apart.git tree together && ! ls bare.git copy.git apart.git',
  ],
];

t.test('git', { skip: notRoot() ?? notBuilt() ?? false }, async (t) => {
  const user = testUser('git');
  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);
  const names = 'export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b';
  for (const [title, script] of steps)
    await t.test(title, async (t) => {
      const argv = ['bash', '-c', `${names}; ${script}`];
      const ran = await cordon.run(argv, { user, workspace, profile: 'coding-agent' });
      t.equal(ran.code, 0, ran.stdout + ran.stderr);
    });
});
