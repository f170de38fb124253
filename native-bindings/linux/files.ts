// File calls on byte paths, for one thread: each instance owns its scratch memory. Calls return the result or
// -errno (the hot path does not throw); `orThrow` variants are for set-up code.
import { Arena } from './arena.ts';
import { libc, raw, NR, errno } from './libc.ts';

export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  ACCMODE: 3,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  LARGEFILE: 0o100000,
  // These two differ on arm64.
  DIRECTORY: process.arch === 'arm64' ? 0o40000 : 0o200000,
  NOFOLLOW: process.arch === 'arm64' ? 0o100000 : 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
  TMPFILE_BIT: 0o20000000,
} as const;

export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  SYMLINK_FOLLOW: 0x400,
  EACCESS: 0x200,
  EMPTY_PATH: 0x1000,
  RECURSIVE: 0x8000,
} as const;
export const RESOLVE = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 0x10 } as const;
export const S = {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o60000,
  IFDIR: 0o40000,
  IFCHR: 0o20000,
  IFIFO: 0o10000,
} as const;

/** stat(2) as far as mediation needs it. `dev:ino` identify an object. */
export interface Stat {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** When it was made, in nanoseconds; 0 on file systems that do not know. Nobody can set it. */
  readonly bornNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

const PATH1 = 0;
const PATH2 = 4352;
const STAT = 8704;
const HOW = 8960;
const LINK = 9216;
const AT_EMPTY_PATH = 0x1000;
const AT_NO_AUTOMOUNT = 0x800;
const STATX_BTIME = 0x800;
/** STATX_BASIC_STATS and STATX_BTIME. */
const STATX_WANTED = 0x7ff | STATX_BTIME;
/** As stat(2) gives it (makedev(3)). */
const deviceNumber = (major: number, minor: number): number =>
  Math.floor(major / 2 ** 12) * 2 ** 44 +
  (major % 2 ** 12) * 2 ** 8 +
  Math.floor(minor / 2 ** 8) * 2 ** 20 +
  (minor % 2 ** 8);

export class Files {
  private readonly arena = new Arena(16384);
  private readonly proc: number;
  /** The directory of our own descriptors: a name there is found in one step. Opened when it is first needed. */
  private own = -1;
  /** `proc`: a descriptor of the procfs in which this process is visible, for threads whose root has another /proc. */
  constructor(proc = -100) {
    this.proc = proc;
  }
  /** Name of one of our own descriptors, relative to `proc`: follows to the very object. */
  selfPath(fd: number): string {
    return this.proc < 0 ? `/proc/self/fd/${fd}` : `self/fd/${fd}`;
  }

  private out(result: number): number {
    return result < 0 ? -errno() : result;
  }
  open(path: string, flags: number, mode = 0): number {
    return this.out(libc.open(this.arena.cstring(PATH1, path, 4097), flags, mode));
  }
  openat(dirfd: number, path: string, flags: number, mode = 0): number {
    return this.out(libc.openat(dirfd, this.arena.cstring(PATH1, path, 4097), flags, mode));
  }
  /** openat2(2) with `resolve` flags. */
  openat2(dirfd: number, path: string, flags: number, mode: number, resolve: number): number {
    const { view } = this.arena;
    view.setBigUint64(HOW, BigInt(flags >>> 0), true);
    view.setBigUint64(HOW + 8, BigInt(mode), true);
    view.setBigUint64(HOW + 16, BigInt(resolve), true);
    return this.out(
      raw.nppn(NR.openat2, dirfd, this.arena.cstring(PATH1, path, 4097), this.arena.at(HOW), 24),
    );
  }
  faccessat(dirfd: number, path: string, mode: number, flags: number): number {
    return this.out(libc.faccessat(dirfd, this.arena.cstring(PATH1, path, 4097), mode, flags));
  }
  /** `path` is relative to the working directory. Returns the watch, or -errno. */
  inotifyAddWatch(fd: number, path: string, mask: number): number {
    return this.out(libc.inotifyAddWatch(fd, this.arena.cstring(PATH1, path, 4097), mask >>> 0));
  }
  close(fd: number): void {
    libc.close(fd);
  }
  /** Where a descriptor of this process points, as the kernel prints it; '' when unreadable. */
  pathOf(fd: number): string {
    if (this.own < 0)
      this.own = this.openat(
        this.proc,
        this.proc < 0 ? '/proc/self/fd' : 'self/fd',
        O.PATH | O.DIRECTORY | O.CLOEXEC,
      );
    return this.readlink(this.own, String(fd));
  }
  /** '' when it is no link or cannot be read. */
  readlink(dirfd: number, path: string): string {
    const n = libc.readlinkat(dirfd, this.arena.cstring(PATH1, path, 4097), this.arena.at(LINK), 4096);
    return n <= 0 ? '' : this.arena.bytes.latin1Slice(LINK, LINK + n);
  }
  fstat(fd: number): Stat | undefined {
    return this.statx(fd, '', AT_EMPTY_PATH);
  }
  fstatat(dirfd: number, path: string, flags: number): Stat | undefined {
    return this.statx(dirfd, path, flags);
  }
  /** statx(2), which also knows when an object was made; struct statx is the same on every machine (linux/stat.h). */
  private statx(dirfd: number, path: string, flags: number): Stat | undefined {
    const { arena } = this;
    const name = arena.cstring(PATH1, path, 4097);
    if (libc.statx(dirfd, name, flags | AT_NO_AUTOMOUNT, STATX_WANTED, arena.at(STAT)) < 0) return undefined;
    const { view } = arena;
    const u32 = (offset: number): number => view.getUint32(STAT + offset, true);
    const time = (offset: number): bigint =>
      view.getBigInt64(STAT + offset, true) * 1_000_000_000n + BigInt(u32(offset + 8));
    return {
      dev: deviceNumber(u32(136), u32(140)),
      ino: arena.u64(STAT + 32),
      nlink: u32(16),
      mode: view.getUint16(STAT + 28, true),
      uid: u32(20),
      gid: u32(24),
      size: arena.u64(STAT + 40),
      bornNs: (u32(0) & STATX_BTIME) === 0 ? 0n : time(80),
      mtimeNs: time(112),
      ctimeNs: time(96),
    };
  }
  /** True when the effective ids of the calling thread may execute it (faccessat(2), AT_EACCESS). */
  executable(path: string): boolean {
    return libc.faccessat(-100, this.arena.cstring(PATH1, path, 4097), 1, 0x200) === 0;
  }
  mkdirat(dirfd: number, name: string, mode: number): number {
    return this.out(libc.mkdirat(dirfd, this.arena.cstring(PATH1, name, 4097), mode));
  }
  /** `device` as makedev(3) for small numbers: major << 8 | minor. */
  mknodat(dirfd: number, name: string, mode: number, device = 0): number {
    return this.out(libc.mknodat(dirfd, this.arena.cstring(PATH1, name, 4097), mode, device));
  }
  unlinkat(dirfd: number, name: string, flags: number): number {
    return this.out(libc.unlinkat(dirfd, this.arena.cstring(PATH1, name, 4097), flags));
  }
  renameat2(oldDir: number, oldName: string, newDir: number, newName: string, flags: number): number {
    const a = this.arena.cstring(PATH1, oldName, 4097);
    return this.out(libc.renameat2(oldDir, a, newDir, this.arena.cstring(PATH2, newName, 4097), flags));
  }
  linkat(oldDir: number, oldName: string, newDir: number, newName: string, flags: number): number {
    const a = this.arena.cstring(PATH1, oldName, 4097);
    return this.out(libc.linkat(oldDir, a, newDir, this.arena.cstring(PATH2, newName, 4097), flags));
  }
  symlinkat(target: string, dirfd: number, name: string): number {
    const a = this.arena.cstring(PATH1, target, 4097);
    return this.out(libc.symlinkat(a, dirfd, this.arena.cstring(PATH2, name, 4097)));
  }
  ftruncate(fd: number, length: bigint): number {
    return this.out(libc.ftruncate(fd, length));
  }
  fchmodat(dirfd: number, path: string, mode: number): number {
    return this.out(libc.fchmodat(dirfd, this.arena.cstring(PATH1, path, 4097), mode, 0));
  }
  fchownat(dirfd: number, path: string, uid: number, gid: number, flags: number): number {
    return this.out(libc.fchownat(dirfd, this.arena.cstring(PATH1, path, 4097), uid, gid, flags));
  }
  /** `times` is two struct timespec (32 bytes) or undefined for now. */
  utimensat(dirfd: number, path: string, times: Uint8Array | undefined, flags: number): number {
    if (times !== undefined) this.arena.bytes.set(times.subarray(0, 32), STAT);
    return this.out(
      libc.utimensat(
        dirfd,
        this.arena.cstring(PATH1, path, 4097),
        times === undefined ? null : this.arena.at(STAT),
        flags,
      ),
    );
  }
  fsetxattr(fd: number, name: string, value: Uint8Array, flags: number): number {
    const block = new Arena(Math.max(value.length, 1));
    block.bytes.set(value);
    const result = this.out(
      libc.fsetxattr(fd, this.arena.cstring(PATH2, name, 256), block.address, value.length, flags),
    );
    block.free();
    return result;
  }
  fremovexattr(fd: number, name: string): number {
    return this.out(libc.fremovexattr(fd, this.arena.cstring(PATH2, name, 256)));
  }
  /** f_fsid of statfs(2), 8 bytes as latin1: what fanotify events carry. '' on failure. */
  fsid(fd: number): string {
    if (libc.fstatfs(fd, this.arena.at(STAT)) < 0) return '';
    return this.arena.bytes.latin1Slice(STAT + 56, STAT + 64);
  }
  /** Writes a short byte string whole; false when it did not fit in one write(2). */
  writeAll(fd: number, text: string): boolean {
    return libc.write(fd, this.arena.cstring(LINK, text, 4096), text.length) === text.length;
  }
  /** umask(2): of the calling thread only where it does not share its fs struct (after unshare of CLONE_FS or CLONE_NEWNS). */
  umask(mask: number): number {
    return libc.umask(mask);
  }
  /** The whole of a small file such as /proc/PID/status; '' when it cannot be read. */
  readSmall(dirfd: number, path: string): string {
    const fd = this.openat(dirfd, path, O.RDONLY | O.CLOEXEC);
    if (fd < 0) return '';
    const n = libc.read(fd, this.arena.at(LINK), 4096);
    libc.close(fd);
    return n <= 0 ? '' : this.arena.bytes.latin1Slice(LINK, LINK + n);
  }
}
