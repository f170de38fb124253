// Files that take over a host when somebody opens the workspace later, or that start with the user's session.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attackAll, type Attack, type Site } from './harness.ts';

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

const creates = (name: string, path: string): Attack => ({
  case: name,
  title: `${path} is not created`,
  native: path.startsWith('~') ? 'not-run' : 'succeeds',
  record: () => ({ kind: 'file', object: path.replace(/^~/, '') }),
  happened: (site) => textOf(placeOf(site, path)) !== '',
});
const placeOf = (site: Site, path: string): string =>
  path.startsWith('~/') ? join(site.user.home, path.slice(2)) : join(site.ws, path);

const changes = (name: string, path: string, title: string, happened: Attack['happened']): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: (site) => ({ kind: 'file', object: join(site.ws, path) }),
  happened,
});
const appears = (path: string): Attack['happened'] => {
  return (site) => existsSync(join(site.ws, path));
};
const holds = (path: string, text = 'PWNED'): Attack['happened'] => {
  return (site) => textOf(join(site.ws, path)).includes(text);
};

const attacks: readonly Attack[] = [
  creates('create-git-hook', '.git/hooks/pre-commit'),
  creates('create-git-hook-of-a-new-name', '.git/hooks/reference-transaction'),
  creates('create-git-worktree-config', '.git/config.worktree'),
  creates('create-git-module-hook', '.git/modules/lib/hooks/pre-commit'),
  creates('create-nested-git-hook', 'nested/.git/hooks/pre-commit'),
  creates('create-bashrc', '.bashrc'),
  creates('create-bash_profile', '.bash_profile'),
  creates('create-profile', '.profile'),
  creates('create-zshrc', '.zshrc'),
  creates('create-zshenv', '.zshenv'),
  creates('create-mcp.json', '.mcp.json'),
  creates('create-git-commondir', '.git/commondir'),
  creates('create-git-attributes', '.git/info/attributes'),
  creates('create-devcontainer', '.devcontainer.json'),
  creates('create-nvim.lua', '.nvim.lua'),
  creates('create-vscode-settings', '.vscode/settings.json'),
  creates('create-vscode-tasks', '.vscode/tasks.json'),
  creates('create-claude-settings', '.claude/settings.json'),
  creates('create-claude-local-settings', '.claude/settings.local.json'),
  creates('create-cursor-mcp', '.cursor/mcp.json'),
  creates('create-gemini-settings', '.gemini/settings.json'),
  creates('create-codex-config', '.codex/config.toml'),
  creates('create-envrc', '.envrc'),
  creates('create-idea-workspace', '.idea/workspace.xml'),
  creates('create-home-bashrc', '~/.bashrc.d/pwned'),
  creates('create-home-zshenv', '~/.zshenv'),
  creates('create-home-autostart', '~/.config/autostart/pwned.desktop'),
  creates('create-home-systemd-unit', '~/.config/systemd/user/pwned.service'),
  creates('create-home-authorized-keys', '~/.ssh/authorized_keys2'),
  creates('create-home-gitconfig', '~/.gitconfig'),
  creates('create-home-local-bin', '~/.local/bin/ls'),
  creates('create-home-pam-environment', '~/.pam_environment'),
  changes(
    'append-git-config',
    '.git/config',
    'the repository configuration is not appended to',
    holds('.git/config'),
  ),
  changes(
    'append-existing-hook',
    '.git/hooks/existing',
    'a hook is not appended to',
    holds('.git/hooks/existing'),
  ),
  changes(
    'chmod-existing-hook',
    '.git/hooks/existing',
    'a hook is not made executable',
    (site) => (statSync(join(site.ws, '.git/hooks/existing')).mode & 0o111) !== 0,
  ),
  changes(
    'git-config-fsmonitor',
    'configured/.git/config',
    'git config does not set core.fsmonitor',
    holds('configured/.git/config', 'touch PWNED'),
  ),
  changes(
    'git-config-hooks-path',
    'configured/.git/config',
    'git config does not set core.hooksPath',
    holds('configured/.git/config', 'hooks-PWNED'),
  ),
  {
    ...changes(
      'git-config-harmless',
      '',
      'git config still sets user.name',
      holds('configured/.git/config', 'Somebody'),
    ),
    allowed: true,
  },
  changes(
    'rename-to-git-hook',
    '.git/hooks/post-commit',
    'a file is not renamed into a hook',
    appears('.git/hooks/post-commit'),
  ),
  changes('rename-to-mcp.json', '.mcp.json', 'a file is not renamed to .mcp.json', appears('.mcp.json')),
  changes(
    'link-to-git-hook',
    '.git/hooks/pre-push',
    'a file is not linked into a hook',
    appears('.git/hooks/pre-push'),
  ),
  changes(
    'symlink-to-git-hook',
    '.git/hooks/pre-rebase',
    'a hook is not a symlink to something writable',
    (site) => spawnSync('test', ['-L', join(site.ws, '.git/hooks/pre-rebase')]).status === 0,
  ),
  changes(
    'symlink-as-vscode',
    'linked/.vscode',
    '.vscode is not a symlink to something writable',
    (site) => spawnSync('test', ['-L', join(site.ws, 'linked/.vscode')]).status === 0,
  ),
  changes(
    'symlink-as-opencode',
    '.opencode',
    '.opencode is not a symlink to something writable',
    (site) => spawnSync('test', ['-L', join(site.ws, '.opencode')]).status === 0,
  ),
  changes(
    'symlink-linked-as-git-hooks',
    'hardlinked/.git/hooks',
    'a symlink is not given the name of the hooks by a hard link',
    (site) => spawnSync('test', ['-L', join(site.ws, 'hardlinked/.git/hooks')]).status === 0,
  ),
  changes(
    'settings-around-a-repository',
    '.codex/hooks.json',
    'a repository made inside .codex does not free the settings of the workspace',
    holds('.codex/hooks.json'),
  ),
  changes(
    'rename-directory-as-zed',
    '.zed',
    'a directory is not renamed to .zed',
    appears('.zed/settings.json'),
  ),
  changes(
    'rename-directory-as-git',
    'renamed/.git',
    'a directory with a hook is not renamed to .git',
    appears('renamed/.git/hooks/pre-commit'),
  ),
  {
    case: 'rename-parent-of-git',
    title: 'a hook is not written while the directory above has another name',
    native: 'succeeds',
    record: () => ({ kind: 'file', object: 'project' }),
    happened: appears('project/.git/hooks/pre-commit'),
  },
  changes(
    'rename-hooks-away',
    '.git/hooks',
    'the hooks are not moved away',
    (site) => !existsSync(join(site.ws, '.git/hooks')),
  ),
  changes('exchange-git', 'exchanged/.git', '.git is not exchanged', holds('exchanged/.git/config')),
  changes(
    'rename-git-away',
    'moved/.git',
    '.git is not moved away',
    (site) => !existsSync(join(site.ws, 'moved/.git')),
  ),
  {
    ...changes(
      'create-git-file',
      '',
      'a .git file may name any directory: where git would look is guarded, whatever it is called',
      (site) => textOf(join(site.ws, 'gitfile/.git')).startsWith('gitdir'),
    ),
    allowed: true,
  },
  creates('create-nested-mcp.json', 'plain/.mcp.json'),
  creates('create-nested-claude-settings', 'plain/.claude/settings.json'),
  {
    ...creates('create-mcp.json-in-a-nested-repository', 'nested/.mcp.json'),
    title: 'a repository inside the workspace can be checked out with its .mcp.json',
    allowed: true,
  },
  {
    ...creates('create-mcp.json-in-a-package', 'node_modules/x/.mcp.json'),
    title: 'a package can be unpacked with its .mcp.json',
    allowed: true,
  },
  changes(
    'bare-config',
    'bare-config/config',
    'a bare repository gets no configuration that runs a program',
    holds('bare-config/config'),
  ),
  changes(
    'bare-late',
    'bare-late/refs',
    'a directory with a configuration that runs a program does not become a repository',
    appears('bare-late/refs'),
  ),
  changes(
    'bare-hook',
    'bare-hook/hooks',
    'a bare repository gets no hook',
    holds('bare-hook/hooks/post-checkout'),
  ),
  changes(
    'bare-hook-before',
    'bare-hook-before/refs',
    'a directory with a hook does not become a repository',
    appears('bare-hook-before/refs'),
  ),
  {
    ...changes(
      'bare-held',
      '',
      'what holds a configuration open does not write it once the directory is a repository: it writes to a file that has no name, which is not denied',
      holds('bare-held/config'),
    ),
    record: undefined,
    unrecorded: 'the descriptor leads to a file that has no name any more',
    mayReport: 'succeeded',
  },
  changes(
    'bare-moved',
    'bare-moved/refs',
    'nothing is moved into place that makes a repository of such a directory',
    appears('bare-moved/refs'),
  ),
  changes(
    'bare-linked',
    'bare-linked/refs',
    'no link makes a repository of such a directory',
    (site) => spawnSync('test', ['-L', join(site.ws, 'bare-linked/refs')]).status === 0,
  ),
];
const last = changes(
  'rename-to-git-config',
  '.git/config',
  'a file is not renamed onto the configuration',
  holds('.git/config'),
);

function repository(directory: string): void {
  mkdirSync(directory, { recursive: true });
  spawnSync('git', ['init', '--quiet', directory]);
  mkdirSync(join(directory, '.git/modules/lib/hooks'), { recursive: true });
  writeFileSync(join(directory, '.git/hooks/existing'), '#!/bin/sh\n', { mode: 0o644 });
}

function prepare(site: Site): void {
  for (const place of ['.', 'nested', 'project', 'exchanged', 'moved', 'configured'])
    repository(join(site.ws, place));
  for (const place of ['renamed', 'linked', 'hardlinked/.git', 'gitfile', 'plain/.claude', 'node_modules/x'])
    mkdirSync(join(site.ws, place), { recursive: true });
  for (const place of ['.vscode', '.claude', '.cursor', '.gemini', '.codex', '.idea'])
    mkdirSync(join(site.ws, place));
  const home = ['.bashrc.d', '.config/autostart', '.config/systemd/user', '.local/bin', '.ssh'];
  for (const place of home) mkdirSync(join(site.user.home, place), { recursive: true });
  spawnSync('chown', [
    '-R',
    `${site.user.uid}:${site.user.gid}`,
    ...home.map((place) => join(site.user.home, place.split('/')[0] ?? '')),
  ]);
}

// The hooks directory is moved away, where nothing hinders it, by one attack: what comes after needs another site.
const movesHooks = (attack: Attack): boolean => attack.case === 'rename-hooks-away';

t.test('files that take over a host', async (t) => {
  await attackAll(t, { attacks: attacks.filter((attack) => !movesHooks(attack)), prepare });
});

t.test('what replaces those files whole', async (t) => {
  await attackAll(t, { attacks: [last, ...attacks.filter(movesHooks)], prepare });
});
