// Other processes: pidfds, memory, limits, and who is at the other end of a socket.
import { Arena } from './arena.ts';
import { check, errno, libc, NR, raw } from './libc.ts';

/** Whether the task is a thread group's leader; false also when that cannot be told (tgkill(2) with no signal). */
export const leadsGroup = (pid: number): boolean => raw.n4(NR.tgkill, pid, pid, 0, 0) === 0;
/** Returns a pidfd or -errno. `thread` needs 6.9 (PIDFD_THREAD) when `pid` is not a thread-group leader. */
export function pidfdOpen(pid: number, thread = false): number {
  const fd = raw.n4(NR.pidfdOpen, pid, thread ? 0o200 : 0, 0, 0);
  return fd < 0 ? -errno() : fd;
}
/** A duplicate of descriptor `target` of the process; -errno on failure. Close-on-exec. */
export function pidfdGetfd(pidfd: number, target: number): number {
  const fd = raw.n4(NR.pidfdGetfd, pidfd, target, 0, 0);
  return fd < 0 ? -errno() : fd;
}
/** 0 or -errno. */
export function pidfdSignal(pidfd: number, signal: number): number {
  return raw.n4(NR.pidfdSendSignal, pidfd, signal, 0, 0) < 0 ? -errno() : 0;
}
/** Closes a descriptor that one of these calls gave. */
export const close = (fd: number): void => void libc.close(fd);
/** close_range(2) with CLOSE_RANGE_CLOEXEC (5.11): no descriptor from `first` on outlives an exec of this process. */
export const closeOnExecFrom = (first: number): void =>
  void check(raw.n4(NR.closeRange, first, 0x7fff_ffff, 4, 0), 'close_range');
/** _exit(2): at once, with every thread, also those that block in a call of ours; nothing is flushed. */
export const exitNow = (status: number): void => void libc.exit(status);
/** malloc_trim(3): what was freed goes back to the kernel. Below a millisecond for the few megabytes of our processes. */
export const trimMemory = (): void => void libc.mallocTrim(0);
export const gettid = (): number => raw.n4(NR.gettid, 0, 0, 0, 0);

const scratch = new Arena(128);

export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}
/** SO_PEERCRED of a connected unix socket (unix(7)): who called connect. */
export function peerCredentials(socketFd: number): Peer {
  scratch.view.setUint32(32, 12, true);
  check(libc.getsockopt(socketFd, 1, 17, scratch.at(0), scratch.at(32)), 'getsockopt SO_PEERCRED');
  return {
    pid: scratch.view.getInt32(0, true),
    uid: scratch.view.getUint32(4, true),
    gid: scratch.view.getUint32(8, true),
  };
}
/** SO_PEERPIDFD (6.5): immune to pid reuse. -errno where the kernel lacks it. */
export function peerPidfd(socketFd: number): number {
  scratch.view.setUint32(32, 4, true);
  return libc.getsockopt(socketFd, 1, 77, scratch.at(0), scratch.at(32)) < 0
    ? -errno()
    : scratch.view.getInt32(0, true);
}
const RLIMIT_NOFILE = 7;
/** Lowers the soft limit on open files of this process, which Node raises to the hard one when it starts. */
export function lowerNofile(soft: number): void {
  check(libc.prlimit(0, RLIMIT_NOFILE, null, scratch.at(64)), 'prlimit');
  const hard = scratch.view.getBigUint64(72, true);
  scratch.view.setBigUint64(64, hard < BigInt(soft) ? hard : BigInt(soft), true);
  check(libc.prlimit(0, RLIMIT_NOFILE, scratch.at(64), null), 'prlimit');
}

/** Of a string, bytes that are read first: most are no longer. */
const FIRST = 256;
/** Of `shortStrings`: bytes of one, and how many at once. */
const SHORT = 512;
export const SHORT_STRINGS = 64;

/** Reads other processes' memory, page by page, so that a short read is never mistaken for the end. */
export class RemoteMemory {
  private readonly arena = new Arena(64 + 131072);
  private readonly local = this.arena.at(0);
  private readonly remote = this.arena.at(16);
  private readonly max = 131072;
  /** `length` bytes at `address`; undefined when any of it cannot be read. The result is a copy. */
  read(pid: number, address: number, length: number): Buffer | undefined {
    if (length > this.max || this.fetch(pid, address, 0, length) !== length) return undefined;
    return Buffer.from(this.arena.bytes.subarray(64, 64 + length));
  }
  /** A NUL-terminated byte string of at most `max` bytes without NUL; undefined: unreadable; null: no NUL in `max` + 1. */
  string(pid: number, address: number, max: number): string | undefined | null {
    let got = 0;
    while (got <= max) {
      const chunk = Math.min(4096 - ((address + got) % 4096), max + 1 - got, got === 0 ? FIRST : Infinity);
      const n = this.fetch(pid, address + got, got, chunk);
      if (n <= 0) return undefined;
      const end = this.arena.bytes.indexOf(0, 64 + got);
      if (end >= 0 && end < 64 + got + n) return this.arena.bytes.latin1Slice(64, end);
      got += n;
    }
    return null;
  }
  /** The pointers of a list that ends with NULL, at most `max` of them; undefined when it cannot be read so far. */
  pointers(pid: number, address: number, max: number): number[] | undefined {
    const found: number[] = [];
    for (let at = address; found.length < max;) {
      const inPage = 4096 - (at % 4096);
      const chunk = Math.min(Math.max(8, inPage - (inPage % 8)), 8 * (max - found.length));
      if (this.fetch(pid, at, 0, chunk) !== chunk) return undefined;
      for (let offset = 0; offset < chunk; offset += 8) {
        const pointer = Number(this.arena.view.getBigUint64(64 + offset, true));
        if (pointer === 0) return found;
        found.push(pointer);
      }
      at += chunk;
    }
    return found;
  }
  /**
   * The NUL-terminated strings at these addresses (at most SHORT_STRINGS), as far as they are short and lie in one page,
   * by one call; undefined for each that is not, or cannot be read.
   */
  shortStrings(pid: number, addresses: readonly number[]): (string | undefined)[] {
    if (addresses.length === 0) return [];
    const { view, bytes } = this.arena;
    const lengths = addresses.map((address) => Math.min(SHORT, 4096 - (address % 4096)));
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const data = 64 + 16 * addresses.length;
    view.setBigUint64(0, this.arena.at(data), true);
    view.setBigUint64(8, BigInt(total), true);
    addresses.forEach((address, i) => {
      view.setBigUint64(64 + 16 * i, BigInt(address), true);
      view.setBigUint64(72 + 16 * i, BigInt(lengths[i]!), true);
    });
    const got = libc.processVmReadv(pid, this.local, 1, this.arena.at(64), addresses.length, 0);
    let at = data;
    return lengths.map((length) => {
      const begin = at;
      at += length;
      if (at > data + got) return undefined;
      const end = bytes.indexOf(0, begin);
      return end < 0 || end >= at ? undefined : bytes.latin1Slice(begin, end);
    });
  }
  private fetch(pid: number, address: number, at: number, length: number): number {
    const { view } = this.arena;
    view.setBigUint64(0, this.arena.at(64 + at), true);
    view.setBigUint64(8, BigInt(length), true);
    view.setBigUint64(16, BigInt(address), true);
    view.setBigUint64(24, BigInt(length), true);
    const n = libc.processVmReadv(pid, this.local, 1, this.remote, 1, 0);
    return n;
  }
}
