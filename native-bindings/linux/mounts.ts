// Mount namespaces and mounts of the calling thread (mount(2), mount_setattr(2), open_tree(2), move_mount(2), pivot_root(2)).
import { Arena } from './arena.ts';
import { check, errno, libc, NR, raw } from './libc.ts';

export const CLONE = {
  FS: 0x200,
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const;
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  REC: 16384,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
} as const;
/** mount_setattr(2) attributes. */
export const MOUNT_ATTR = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8 } as const;
const MNT_DETACH = 2;
const OPEN_TREE_CLONE = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;

const scratch = new Arena(32768);
const str = (slot: number, text: string | null): bigint | null =>
  text === null ? null : scratch.cstring(slot * 4352, text, 4097);

export const unshare = (flags: number): number => check(libc.unshare(flags), 'unshare');
export const setns = (fd: number, type: number): number => check(libc.setns(fd, type), 'setns');

export function mount(
  source: string | null,
  target: string,
  type: string | null,
  flags: number,
  data: string | null = null,
): void {
  check(libc.mount(str(0, source), str(1, target), str(2, type), flags, str(3, data)), `mount ${target}`);
}
export const bind = (source: string, target: string, recursive = false): void =>
  mount(source, target, null, MS.BIND | (recursive ? MS.REC : 0));
export const detach = (target: string): void =>
  void check(libc.umount2(str(0, target), MNT_DETACH), `umount ${target}`);

/** Sets and clears attributes of the mount at `path` (with `recursive`: of all below it too). */
export function setAttributes(path: string, set: number, clear: number, recursive = false): void {
  const at = 5 * 4352;
  scratch.view.setBigUint64(at, BigInt(set), true);
  scratch.view.setBigUint64(at + 8, BigInt(clear), true);
  scratch.view.setBigUint64(at + 16, 0n, true);
  scratch.view.setBigUint64(at + 24, 0n, true);
  check(
    raw.npnpn(NR.mountSetattr, -100, str(0, path), recursive ? 0x8000 : 0, scratch.at(at), 32),
    `mount_setattr ${path}`,
  );
}

/** A detached copy of the mount at `path`: to be placed with `moveMount`, also from another thread's namespace. */
export const cloneTree = (path: string, recursive = true): number =>
  check(
    raw.npn(NR.openTree, -100, str(0, path), OPEN_TREE_CLONE | 0o2000000 | (recursive ? 0x8000 : 0)),
    `open_tree ${path}`,
  );
export function moveMount(fd: number, target: string): void {
  const empty = scratch.cstring(0, '', 1);
  check(
    raw.npnpn(NR.moveMount, fd, empty, -100, str(1, target), MOVE_MOUNT_F_EMPTY_PATH),
    `move_mount ${target}`,
  );
}
/** Makes `path` the root of the calling thread's mount namespace and detaches the old one. */
export function pivotTo(path: string): void {
  check(libc.chdir(str(0, path)), `chdir ${path}`);
  const dot = scratch.cstring(0, '.', 4);
  check(raw.pp(NR.pivotRoot, dot, dot), 'pivot_root');
  check(libc.umount2(dot, MNT_DETACH), 'umount old root');
  check(libc.chdir(str(0, '/')), 'chdir /');
}
/** Working directory of the calling thread (its own after unshare of CLONE_FS). */
export const changeDirectory = (fd: number): void => void check(libc.fchdir(fd), 'fchdir');
/** The same by name: 0 or -errno. */
export const enterDirectory = (path: string): number => (libc.chdir(str(0, path)) < 0 ? -errno() : 0);
export const setHostname = (name: string): void =>
  void check(libc.sethostname(str(0, name), name.length), 'sethostname');
