// fanotify(7): permission groups and audit groups.
import { Arena } from './arena.ts';
import { check, errno, libc } from './libc.ts';

export const FAN = {
  OPEN: 0x20n,
  OPEN_EXEC: 0x1000n,
  OPEN_PERM: 0x10000n,
  OPEN_EXEC_PERM: 0x40000n,
  ONDIR: 0x40000000n,
  EVENT_ON_CHILD: 0x08000000n,
  Q_OVERFLOW: 0x4000n,
  CREATE: 0x100n,
  MOVED_TO: 0x80n,
} as const;
const INIT = {
  CLOEXEC: 1,
  NONBLOCK: 2,
  CLASS_CONTENT: 4,
  UNLIMITED_QUEUE: 0x10,
  UNLIMITED_MARKS: 0x20,
  REPORT_DIR_FID: 0x400,
  REPORT_NAME: 0x800,
} as const;
const MARK = {
  ADD: 1,
  REMOVE: 2,
  ONLYDIR: 8,
  MOUNT: 0x10,
  IGNORED_MASK: 0x20,
  IGNORED_SURV_MODIFY: 0x40,
  FLUSH: 0x80,
  EVICTABLE: 0x200,
  IGNORE: 0x400,
} as const;
const EVENT_SIZE = 24;
const EINVAL = 22;
const ALLOW = 1;
const DENY = 2;

const EVENTS = 0;
const EVENTS_MAX = 65536;
const RESPONSE = EVENTS_MAX;
const PATH = EVENTS_MAX + 64;

/**
 * Permission group. Descriptors of events are opened O_NONBLOCK (a FIFO must not stall the mediator) and are ours to
 * close. Owned by one thread; another process may hold a duplicate of `fd` to keep opens blocked should that thread die.
 */
export class PermissionGroup {
  readonly fd: number;
  private readonly arena = new Arena(EVENTS_MAX + 8192);
  private length = 0;
  private offset = 0;
  constructor(fd?: number) {
    this.fd = fd ?? PermissionGroup.create();
  }
  static create(): number {
    const flags =
      INIT.CLASS_CONTENT | INIT.CLOEXEC | INIT.NONBLOCK | INIT.UNLIMITED_QUEUE | INIT.UNLIMITED_MARKS;
    // O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NONBLOCK | O_NOATIME
    return check(libc.fanotifyInit(flags, 0o100000 | 0o2000000 | 0o4000 | 0o1000000), 'fanotify_init');
  }
  /** Watches every open and exec-open through the mount at `path`, in the calling thread's mount namespace. */
  markMount(path: string): void {
    const mask = FAN.OPEN_PERM | FAN.OPEN_EXEC_PERM | FAN.ONDIR;
    check(
      libc.fanotifyMark(this.fd, MARK.ADD | MARK.MOUNT, mask, -100, this.arena.cstring(PATH, path)),
      `fanotify_mark ${path}`,
    );
  }
  /**
   * Watches execs of the one file behind `fd`, and with `reads` opens, through whatever mount: by everybody on the machine.
   * False where the file system has no permission events (EINVAL: /proc, in which nothing is executed).
   */
  markFile(fd: number, reads: boolean): boolean {
    const mask = FAN.OPEN_EXEC_PERM | (reads ? FAN.OPEN_PERM : 0n);
    const path = this.arena.cstring(PATH, `/proc/self/fd/${String(fd)}`);
    if (libc.fanotifyMark(this.fd, MARK.ADD, mask, -100, path) === 0) return true;
    if (errno() === EINVAL) return false;
    throw new Error(`fanotify_mark of a file: errno ${errno()}`);
  }
  /** No more questions for these events on the object behind `fd` (or, with `children`, on everything directly inside it). */
  ignore(fd: number, mask: bigint, children: boolean): boolean {
    const path = this.arena.cstring(PATH, `/proc/self/fd/${String(fd)}`);
    const all = mask | (children ? FAN.EVENT_ON_CHILD : 0n);
    return (
      libc.fanotifyMark(this.fd, MARK.ADD | MARK.IGNORE | MARK.IGNORED_SURV_MODIFY, all, -100, path) === 0
    );
  }
  /** Drops every ignore mark: the kernel asks again. Mount marks stay. */
  flush(): void {
    check(libc.fanotifyMark(this.fd, MARK.FLUSH, 0n, -100, null), 'fanotify_mark FLUSH');
  }
  /** Reads a batch; 0 when none is waiting, -errno on failure. Then `next()` walks it. */
  read(): number {
    const n = libc.read(this.fd, this.arena.at(EVENTS), EVENTS_MAX);
    this.length = n > 0 ? n : 0;
    this.offset = -EVENT_SIZE;
    if (n >= 0) return this.length;
    const e = errno();
    return e === 11 ? 0 : -e;
  }
  next(): boolean {
    this.offset = this.offset < 0 ? 0 : this.offset + this.arena.view.getUint32(this.offset, true);
    return this.offset + EVENT_SIZE <= this.length;
  }
  get mask(): number {
    return this.arena.view.getUint32(this.offset + 8, true);
  }
  get eventFd(): number {
    return this.arena.view.getInt32(this.offset + 16, true);
  }
  get pid(): number {
    return this.arena.view.getInt32(this.offset + 20, true);
  }
  /** Answers the current event. False when the kernel no longer waits for it. */
  answer(allow: boolean): boolean {
    this.arena.view.setInt32(RESPONSE, this.eventFd, true);
    this.arena.view.setUint32(RESPONSE + 4, allow ? ALLOW : DENY, true);
    return libc.write(this.fd, this.arena.at(RESPONSE), 8) === 8;
  }
}

/** What an audit group says of one open: `directory` is valid until the next `read`. */
export interface Opened {
  readonly pid: number;
  readonly mask: number;
  /** File system and directory handle: equal for equal directories. */
  readonly directory: string;
  /** Name in the directory, one char a byte; `.` for the directory itself. */
  readonly name: string;
  /** Offset of the struct file_handle in the event buffer. */
  readonly handle: number;
  readonly fsid: string;
}

const INFO_DFID_NAME = 2;
const INFO = 24;

/** Audit group: notifications with directory handle and name (FAN_REPORT_DFID_NAME, Linux 5.9), nothing waits for it. */
export class AuditGroup {
  readonly fd: number;
  private readonly arena = new Arena(EVENTS_MAX + 8192);
  constructor(fd?: number) {
    this.fd = fd ?? AuditGroup.create();
  }
  static create(): number {
    const flags =
      INIT.CLOEXEC |
      INIT.NONBLOCK |
      INIT.UNLIMITED_QUEUE |
      INIT.UNLIMITED_MARKS |
      INIT.REPORT_DIR_FID |
      INIT.REPORT_NAME;
    return check(libc.fanotifyInit(flags, 0o2000000), 'fanotify_init FAN_REPORT_DFID_NAME');
  }
  /** False when the file system has no handles (EOPNOTSUPP, ENODEV, EXDEV): its opens are then recorded when asked. */
  markMount(path: string): boolean {
    return (
      libc.fanotifyMark(
        this.fd,
        MARK.ADD | MARK.MOUNT,
        FAN.OPEN | FAN.ONDIR,
        -100,
        this.arena.cstring(PATH, path),
      ) === 0
    );
  }
  /** Names that appear directly inside the directory behind `fd`. False where the file system cannot tell. */
  watchNames(fd: number): boolean {
    const path = this.arena.cstring(PATH, `/proc/self/fd/${String(fd)}`);
    const mask = FAN.CREATE | FAN.MOVED_TO | FAN.ONDIR;
    return libc.fanotifyMark(this.fd, MARK.ADD, mask, -100, path) === 0;
  }
  /** One batch; empty when nothing waits. Events that cannot be understood are left out of the batch and counted. */
  read(): { readonly events: readonly Opened[]; readonly lost: number } {
    const n = libc.read(this.fd, this.arena.at(EVENTS), EVENTS_MAX);
    const events: Opened[] = [];
    let lost = 0;
    for (let at = 0; n > 0 && at + INFO <= n; at += this.arena.view.getUint32(at, true)) {
      const event = this.event(at);
      if (event === undefined) lost++;
      else events.push(event);
    }
    return { events, lost };
  }
  private event(at: number): Opened | undefined {
    const { view, bytes } = this.arena;
    const length = view.getUint32(at, true);
    const info = at + INFO;
    if (length < INFO + 20 || view.getUint8(info) !== INFO_DFID_NAME) return undefined;
    const handleBytes = view.getUint32(info + 12, true);
    const name = info + 20 + handleBytes;
    if (name >= at + length) return undefined;
    return {
      pid: view.getInt32(at + 20, true),
      mask: view.getUint32(at + 8, true),
      directory: bytes.latin1Slice(info + 4, name),
      name: this.arena.text(name, at + length - name),
      handle: info + 12,
      fsid: bytes.latin1Slice(info + 4, info + 12),
    };
  }
  /** Pins (O_PATH) the directory of an event of the last batch. -errno when it is gone. Needs CAP_DAC_READ_SEARCH. */
  openDirectory(event: Opened, mountFd: number): number {
    const fd = libc.openByHandleAt(mountFd, this.arena.at(event.handle), 0o10000000 | 0o2000000);
    return fd < 0 ? -errno() : fd;
  }
}
