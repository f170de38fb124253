// Files that are never to be read, and everything outside the workspace that is never to be changed.
import t from 'tap';
import { mkdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { attackAll, type Attack, type Site } from './harness.ts';

const readsSecret = (name: string, title: string): Attack => ({
  case: name,
  title: `a file under never is not read ${title}`,
  native: 'succeeds',
  record: (site) => ({ kind: 'file', object: join(site.vault, name) }),
});

/** Names come and go in it: to watch a directory is to list it. */
const watchesSecret = (name: string, title: string): Attack => ({
  case: name,
  title: `a directory under never is not watched ${title}`,
  native: 'succeeds',
  record: (site) => ({ kind: 'file', operation: /^watch$/, object: join(site.vault, 'deep') }),
  happened: (_site, outcome) => outcome.result === 'succeeded',
});

const changesOutside = (name: string, title: string, operation?: RegExp): Attack => ({
  case: name,
  title: `outside the workspace nothing is ${title}`,
  native: 'succeeds',
  record: (site) => ({
    kind: ['file', 'socket'],
    object: join(site.outside, name),
    ...(operation === undefined ? {} : { operation }),
  }),
});

/** Inode flags are refused whatever the descriptor: the record has the call, not the object. */
const setFlags: Attack = {
  case: 'outside-setflags',
  title: 'outside the workspace nothing is changed in inode flags',
  native: 'succeeds',
  record: () => ({ kind: 'syscall', operation: /^ioctl$/ }),
};

const dotenv = (name: string, title: string, changes = false): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: (site) => ({ kind: 'file', object: join(site.ws, name, '.env') }),
  ...(changes ? { happened: (site: Site) => dotenvText(site, name) !== site.canary } : {}),
});

function dotenvText(site: Site, name: string): string {
  return spawnSync('cat', [join(site.ws, name, '.env')], { encoding: 'utf8' }).stdout;
}

const attacks: readonly Attack[] = [
  readsSecret('secret-read', 'by its name'),
  readsSecret('secret-read-rdwr', 'by O_RDWR'),
  readsSecret('secret-read-dotdot', 'through ..'),
  readsSecret('secret-read-proc-self-root', 'through /proc/self/root'),
  readsSecret('secret-read-proc-self-cwd', 'through /proc/self/cwd'),
  readsSecret('secret-read-dev-fd', 'through /dev/fd'),
  readsSecret('secret-read-dirfd', 'relative to a directory descriptor'),
  readsSecret('secret-read-fchdir', 'relative to a working directory'),
  readsSecret('secret-read-openat2', 'by openat2'),
  readsSecret('secret-read-o-path-reopen', 'by reopening an O_PATH descriptor'),
  readsSecret('secret-read-noatime-nofollow', 'with O_NOATIME and O_NOFOLLOW'),
  readsSecret('secret-read-by-cat', 'by another program'),
  {
    ...readsSecret('secret-read-nested', 'two directories down'),
    record: (site) => ({ kind: 'file', object: join(site.vault, 'deep') }),
  },
  watchesSecret('secret-watch', 'by its name'),
  watchesSecret('secret-watch-o-path', 'through an O_PATH descriptor'),
  {
    case: 'workspace-watch',
    title: 'a directory that may be read is watched',
    native: 'succeeds',
    allowed: true,
    happened: (_site, outcome) => outcome.result === 'succeeded',
  },
  {
    case: 'home-ssh-read',
    title: "the user's own private key is not read",
    native: 'succeeds',
    record: (site) => ({ kind: 'file', object: join(site.user.home, '.ssh') }),
    happened: (_site, outcome) => outcome.detail.includes('CANARY'),
  },
  dotenv('dotenv-read', 'a .env in the workspace is not read'),
  dotenv('dotenv-rename-then-read', 'a .env is not renamed to be read'),
  dotenv('dotenv-link-then-read', 'a .env is not linked to be read'),
  dotenv('dotenv-symlink-then-read', 'a .env is not read through a symlink'),
  dotenv('dotenv-write', 'a .env is not written', true),
  dotenv('rename-onto-dotenv', 'nothing is renamed onto a .env', true),
  dotenv('rename-exchange-dotenv', 'a .env is not exchanged for another file', true),
  {
    case: 'rename-parent-of-never',
    title: 'a never file stays unreadable when its directory is renamed',
    native: 'succeeds',
    record: (site) => ({ kind: 'file', object: join(site.ws, 'rename-parent-of-never') }),
  },
  {
    case: 'exchange-parent-of-never',
    title: 'a never file stays unreadable when its directory is exchanged',
    native: 'succeeds',
    record: (site) => ({ kind: 'file', object: join(site.ws, 'exchange-parent-of-never') }),
  },
  {
    case: 'prefix-read',
    title: 'a directory whose name begins like a never one follows its own rule',
    native: 'succeeds',
    allowed: true,
    happened: (_site, outcome) => outcome.detail.includes('CANARY-public'),
  },
  {
    case: 'prefix-write',
    title: 'a directory whose name begins like the workspace is not writable',
    native: 'succeeds',
    record: (site) => ({ kind: 'file', object: join(site.base, 'wsfoo/prefix-write/victim') }),
  },
  {
    case: 'prefix-create',
    title: 'nothing is created in a directory whose name begins like the workspace',
    native: 'succeeds',
    record: (site) => ({ kind: 'file', object: join(site.base, 'wsfoo/prefix-create/created') }),
  },
  changesOutside('outside-create', 'created'),
  changesOutside('outside-create-excl', 'created with O_EXCL'),
  changesOutside('outside-creat', 'created by creat'),
  changesOutside('outside-write', 'written'),
  changesOutside('outside-append', 'appended to'),
  changesOutside('outside-rdwr', 'written by O_RDWR'),
  changesOutside('outside-truncate', 'truncated', /truncate/),
  changesOutside('outside-open-trunc', 'truncated by O_TRUNC'),
  changesOutside('outside-rdonly-trunc', 'truncated by O_RDONLY|O_TRUNC'),
  changesOutside('outside-openat2-create', 'created by openat2'),
  changesOutside('outside-openat2-write', 'written by openat2'),
  changesOutside('outside-dirfd-create', 'created relative to a directory descriptor'),
  changesOutside('outside-proc-self-root-write', 'written through /proc/self/root'),
  changesOutside('outside-proc-thread-self-root-write', 'written through /proc/thread-self/root'),
  { ...changesOutside('outside-proc-1-root-write', 'written through /proc/1/root'), native: 'refused' },
  changesOutside('outside-dev-fd-create', 'created through /dev/fd'),
  changesOutside('outside-reopen-rdwr', 'written by reopening a read-only descriptor'),
  changesOutside('outside-reopen-o-path', 'written by reopening an O_PATH descriptor'),
  changesOutside('outside-reopen-trunc', 'truncated by reopening an O_PATH descriptor'),
  changesOutside('outside-unlink', 'unlinked', /unlink/),
  changesOutside('outside-unlinkat', 'unlinked relative to a directory descriptor', /unlink/),
  changesOutside('outside-rmdir', 'removed by rmdir', /rmdir/),
  changesOutside('outside-mkdir', 'created by mkdir', /mkdir/),
  changesOutside('outside-mknod-file', 'created by mknod', /mknod|create/),
  changesOutside('outside-mkfifo', 'created by mkfifo', /mknod|mkfifo|create/),
  changesOutside('outside-fifo-write', 'written into a FIFO'),
  {
    case: 'mknod-device',
    title: 'no device node is made, in the workspace neither',
    native: 'refused',
    record: (site) => ({ kind: ['file', 'syscall'], object: join(site.ws, 'mknod-device/created') }),
    happened: (site) => spawnSync('test', ['-e', join(site.ws, 'mknod-device/created')]).status === 0,
  },
  changesOutside('outside-symlink', 'created by symlink', /symlink/),
  changesOutside('outside-link', 'linked', /link/),
  changesOutside('outside-link-in', 'created as a link of a file of the workspace', /link/),
  changesOutside('outside-rename-from', 'moved into the workspace', /rename/),
  changesOutside('outside-rename-onto', 'replaced by rename', /rename/),
  changesOutside('outside-rename-within', 'renamed', /rename/),
  changesOutside('outside-rename-exchange', 'exchanged with a file of the workspace', /rename|exchange/),
  changesOutside('outside-rename-noreplace', 'created by renameat2', /rename/),
  changesOutside('outside-chmod', 'changed in mode', /chmod/),
  changesOutside('outside-fchmod', 'changed in mode through a descriptor', /chmod/),
  changesOutside('outside-fchmodat', 'changed in mode by fchmodat', /chmod/),
  changesOutside('outside-fchmodat2', 'changed in mode by fchmodat2', /chmod/),
  changesOutside('outside-chown', 'changed in owner', /chown/),
  changesOutside('outside-fchown', 'changed in owner through a descriptor', /chown/),
  changesOutside('outside-utimensat', 'changed in times', /utime/),
  changesOutside('outside-utimes', 'changed in times by utimes', /utime/),
  changesOutside('outside-futimens', 'changed in times through a descriptor', /utime/),
  changesOutside('outside-setxattr', 'given an extended attribute', /xattr/),
  changesOutside('outside-fsetxattr', 'given an extended attribute through a descriptor', /xattr/),
  setFlags,
  changesOutside('outside-tmpfile-link', 'created as an unnamed file and linked'),
  changesOutside('workspace-tmpfile-link-outside', 'created by linking an unnamed file of the workspace'),
  changesOutside('outside-bind-socket', 'created by binding a socket', /bind/),
  readsSecret('secret-write', 'nor written'),
  readsSecret('secret-truncate', 'nor truncated'),
  readsSecret('secret-unlink', 'nor unlinked'),
  readsSecret('secret-rename', 'nor renamed'),
  readsSecret('secret-chmod', 'nor changed in mode'),
];

function prepare(site: Site): void {
  for (const { case: name } of attacks) {
    if (name.includes('dotenv')) writeFileSync(join(site.ws, name, '.env'), site.canary);
    if (name.endsWith('parent-of-never')) {
      mkdirSync(join(site.ws, name, 'vault2'));
      writeFileSync(join(site.ws, name, 'vault2/key'), site.canary);
    }
  }
  spawnSync('mkfifo', [join(site.outside, 'outside-fifo-write/fifo')]);
  const ssh = join(site.user.home, '.ssh');
  mkdirSync(ssh, { recursive: true, mode: 0o700 });
  writeFileSync(join(ssh, 'id_rsa'), 'CANARY-of-the-home', { mode: 0o600 });
  spawnSync('chown', ['-R', `${site.user.uid}:${site.user.gid}`, ssh]);
}

// It takes the whole directory away where nothing hinders it, so it has a session of its own.
const directoryRename: Attack = {
  case: 'secret-directory-rename',
  title: 'a directory under never is not renamed',
  native: 'succeeds',
  record: (site) => ({ kind: 'file', object: site.vault }),
};

t.test('files outside the workspace, and under never', async (t) => {
  await attackAll(t, { attacks, prepare });
});

t.test('a directory under never', async (t) => {
  await attackAll(t, { attacks: [directoryRename] });
});
