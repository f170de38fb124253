// Blocking reads, writes and waiting on descriptors, for threads that own their loop.
import { Arena } from './arena.ts';
import { check, errno, libc } from './libc.ts';

export const eventfd = (): number => check(libc.eventfd(0, 0o2000000 | 0o4000), 'eventfd');

const one = new Arena(64);
one.view.setBigUint64(0, 1n, true);
/** Wakes a thread that waits on this eventfd. */
export function signalEvent(fd: number): void {
  libc.write(fd, one.at(0), 8);
}
export function drainEvent(fd: number): void {
  libc.read(fd, one.at(8), 8);
}

/** poll(2) on a fixed set of descriptors for POLLIN. */
export class Poller {
  private readonly arena: Arena;
  private readonly count: number;
  constructor(fds: readonly number[]) {
    this.count = fds.length;
    this.arena = new Arena(8 * fds.length + 8);
    fds.forEach((fd, i) => {
      this.arena.view.setInt32(8 * i, fd, true);
      this.arena.view.setInt16(8 * i + 4, 1, true);
    });
  }
  /** Number of ready descriptors; 0 on time-out (milliseconds, -1 = forever) or EINTR. */
  wait(timeout: number): number {
    const n = libc.poll(this.arena.at(0), this.count, timeout);
    return n < 0 ? 0 : n;
  }
  /** revents of the i-th descriptor: 1 POLLIN, 8 POLLERR, 16 POLLHUP. */
  events(index: number): number {
    return this.arena.view.getInt16(8 * index + 6, true);
  }
}

/** Appends whole records to a descriptor from one thread. */
export class Appender {
  readonly fd: number;
  private arena = new Arena(65536);
  private address = Number(this.arena.address);
  constructor(fd: number) {
    this.fd = fd;
  }
  /** Room for a record of `size` bytes, to be filled before `append(size)`. */
  buffer(size: number): Buffer {
    if (size > this.arena.size) {
      this.arena.free();
      this.arena = new Arena(size * 2);
      this.address = Number(this.arena.address);
    }
    return this.arena.bytes;
  }
  /** Of the same bytes. */
  get view(): DataView {
    return this.arena.view;
  }
  /** One write(2) of the first `size` bytes. 0 or -errno; a short write is -ENOSPC. */
  append(size: number): number {
    const n = libc.writeAt(this.fd, this.address, size);
    if (n < 0) return -errno();
    return n === size ? 0 : -28;
  }
}

/** Non-blocking read into a copy; undefined when nothing is there; null at the end of the stream or on failure. */
export function readAvailable(fd: number, arena: Arena): Buffer | undefined | null {
  const n = libc.read(fd, arena.at(0), arena.size);
  if (n > 0) return Buffer.from(arena.bytes.subarray(0, n));
  return n < 0 && (errno() === 11 || errno() === 4) ? undefined : null;
}
const waiting = new Arena(8);
const POLLOUT = 4;
/** True when the descriptor takes bytes within `patience` milliseconds, or has failed (the write then says how). */
function takesBytes(fd: number, patience: number): boolean {
  waiting.view.setInt32(0, fd, true);
  waiting.view.setInt16(4, POLLOUT, true);
  return libc.poll(waiting.at(0), 1, patience) > 0;
}

/** Writes everything; 0 or -errno, -EAGAIN when the peer does not read for `patience` milliseconds. */
export function writeText(fd: number, text: string, arena: Arena, patience = 0): number {
  const length = arena.bytes.utf8Write(text, 0);
  for (let sent = 0; sent < length;) {
    const n = libc.write(fd, arena.at(sent), length - sent);
    if (n > 0) {
      sent += n;
      continue;
    }
    const error = n < 0 ? errno() : 11;
    if (error === 4) continue;
    if (error !== 11 || !takesBytes(fd, patience)) return -error;
  }
  return 0;
}

const F_GETFL = 3;
const F_SETFL = 4;
const O_PATH = 0o10000000;
const O_NONBLOCK = 0o4000;
/** Opened with O_PATH: names an object, and gives no access to it. */
export const isPathOnly = (fd: number): boolean =>
  (check(libc.fcntl(fd, F_GETFL, 0), 'fcntl F_GETFL') & O_PATH) !== 0;

const O_ACCMODE = 3;
const O_WRONLY = 1;
/** Opened for writing only. */
export const isWriteOnly = (fd: number): boolean =>
  (check(libc.fcntl(fd, F_GETFL, 0), 'fcntl F_GETFL') & O_ACCMODE) === O_WRONLY;

/** Clears O_NONBLOCK, for everybody who shares the open file: what a program is given as its own descriptors blocks. */
export function makeBlocking(fd: number): void {
  const flags = libc.fcntl(fd, F_GETFL, 0);
  if (flags >= 0 && (flags & O_NONBLOCK) !== 0) libc.fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

const F_SETFD = 2;
/** Clears FD_CLOEXEC, which Node sets on what it inherits. */
export const keepAcrossExec = (fd: number): void => void check(libc.fcntl(fd, F_SETFD, 0), 'fcntl F_SETFD');

/** Makes number `to` mean what `from` means, at once for every thread, and closes `from`. Close-on-exec. */
export function replaceDescriptor(from: number, to: number): void {
  check(libc.dup3(from, to, 0o2000000), 'dup3');
  libc.close(from);
}
