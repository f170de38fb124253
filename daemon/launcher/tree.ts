// The sandbox's file tree, assembled by the launch thread in its own mount namespace before any session is known:
// the host's tree read-only, with private /dev, /proc, /run, /tmp, /var/tmp and an empty /sys in place of the host's.
// After `assembleTree` the calling thread's root is the new tree and nothing of the host's mount namespace is reachable.
import { readFileSync } from 'node:fs';
import { E, Files, O, S, SyscallError, mounts } from '../../native-bindings/linux/mod.ts';
import { isWithin, parseMountInfo } from './mount-table.ts';

const { MS, MOUNT_ATTR } = mounts;
const READ_ONLY = MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV;

/** Places where the host's mounts are dropped and something private is put instead. */
export const privatePlaces = ['/proc', '/sys', '/dev', '/run', '/tmp', '/var/tmp'] as const;

/** Places that the mediator makes writable for itself (as far as policy then allows). */
export const privateWritable = ['/tmp', '/var/tmp', '/dev/shm', '/run'] as const;

/** `stage`: an existing empty directory of ours on the host. Bytes may be limited by `tmpBytes`. */
export function assembleTree(stage: string, tmpBytes: number): void {
  mounts.mount('none', '/', null, MS.REC | MS.PRIVATE);
  mounts.mount('cordon', stage, 'tmpfs', MS.NOSUID | MS.NODEV | MS.NOEXEC, 'mode=0755,size=4m');
  const files = new Files();
  const root = `${stage}/root`;
  orThrow(files.mkdirat(-100, root, 0o755), root);
  mounts.bind('/', root, true);
  dropHostMounts(root);
  mounts.setAttributes(root, READ_ONLY, 0, true);
  mountPrivate(files, root, tmpBytes);
  mounts.pivotTo(root);
}

function orThrow(result: number, what: string): void {
  if (result < 0) throw new Error(`cannot make ${what}: errno ${-result}`);
}

/** Detaches every host mount inside the private places, innermost first. */
function dropHostMounts(root: string): void {
  const table = parseMountInfo(readFileSync('/proc/thread-self/mountinfo', 'latin1'));
  const doomed = table
    .map((m) => m.target)
    .filter((t) => privatePlaces.some((place) => isWithin(t, `${root}${place}`)))
    .sort((a, b) => b.length - a.length);
  for (const target of doomed) detach(target, doomed);
}

/** What lies in a user's own file system (FUSE), where root may not look, goes when that does. */
function detach(target: string, doomed: readonly string[]): void {
  try {
    mounts.detach(target);
  } catch (error) {
    const isInner = doomed.some((outer) => outer !== target && isWithin(target, outer));
    if (!isInner || !(error instanceof SyscallError) || error.errno !== E.ACCES) throw error;
  }
}

function mountPrivate(files: Files, root: string, tmpBytes: number): void {
  const flags = MS.NOSUID | MS.NODEV;
  const size = `size=${tmpBytes}`;
  for (const place of ['/tmp', '/var/tmp']) {
    if (files.fstatat(-100, `${root}${place}`, 0) !== undefined)
      mounts.mount('tmp', `${root}${place}`, 'tmpfs', flags, `mode=1777,${size}`);
  }
  mounts.mount('run', `${root}/run`, 'tmpfs', flags | MS.NOEXEC, 'mode=0755,size=16m');
  orThrow(files.mkdirat(-100, `${root}/run/cordon`, 0o755), '/run/cordon');
  orThrow(files.mkdirat(-100, `${root}/run/.cordon`, 0o700), '/run/.cordon');
  orThrow(files.mkdirat(-100, `${root}/run/user`, 0o755), '/run/user');
  orThrow(files.mkdirat(-100, `${root}/run/lock`, 0o1777), '/run/lock');
  if (files.fstatat(-100, `${root}/sys`, 0) !== undefined)
    mounts.mount('sys', `${root}/sys`, 'tmpfs', flags | MS.NOEXEC | MS.RDONLY, 'mode=0555,size=4k');
  mountDevices(files, `${root}/dev`, size);
}

const devices: readonly (readonly [string, number, number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];
const links: readonly (readonly [string, string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
];

function mountDevices(files: Files, dev: string, size: string): void {
  mounts.mount('dev', dev, 'tmpfs', MS.NOSUID | MS.NOEXEC, 'mode=0755,size=64k');
  const umask = files.umask(0);
  for (const [name, major, minor] of devices)
    orThrow(files.mknodat(-100, `${dev}/${name}`, S.IFCHR | 0o666, (major << 8) | minor), `/dev/${name}`);
  for (const [name, target] of links)
    orThrow(files.symlinkat(target, -100, `${dev}/${name}`), `/dev/${name}`);
  orThrow(files.mkdirat(-100, `${dev}/pts`, 0o755), '/dev/pts');
  orThrow(files.mkdirat(-100, `${dev}/shm`, 0o1777), '/dev/shm');
  files.umask(umask);
  mounts.mount(
    'devpts',
    `${dev}/pts`,
    'devpts',
    MS.NOSUID | MS.NOEXEC,
    'newinstance,ptmxmode=0666,mode=0620,gid=5',
  );
  mounts.mount('shm', `${dev}/shm`, 'tmpfs', MS.NOSUID | MS.NODEV, `mode=1777,${size}`);
}

/** Makes the private places read-only for the sandbox; the mediator's own copy of the tree stays writable there. */
export function sealTree(): void {
  for (const place of [...privateWritable, '/dev']) mounts.setAttributes(place, MOUNT_ATTR.RDONLY, 0, false);
}

/** A file or directory exists at `path` in the calling thread's tree (links not followed). */
export const exists = (files: Files, path: string): boolean => files.fstatat(-100, path, 0x100) !== undefined;

/** Creates an empty file to mount over. */
export function touch(files: Files, path: string, mode: number): void {
  const fd = files.open(path, O.CREAT | O.WRONLY | O.CLOEXEC | O.NOFOLLOW, mode);
  orThrow(fd, path);
  files.close(fd);
}
