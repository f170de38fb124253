// seccomp(2) and its user notifications (seccomp_unotify(2)).
import { Arena } from './arena.ts';
import { check, errno, libc, NR, raw } from './libc.ts';

export const AUDIT_ARCH = { x86_64: 0xc000003e, aarch64: 0xc00000b7 } as const;
const SET_MODE_FILTER = 1;
export const FILTER_FLAG = { TSYNC: 1, LOG: 2, NEW_LISTENER: 8, WAIT_KILLABLE_RECV: 32 } as const;
const IOCTL = {
  RECV: 0xc0502100,
  SEND: 0xc0182101,
  ID_VALID: 0x40082102,
  ADDFD: 0x40182103,
  SET_FLAGS: 0x40082104,
} as const;
const CONTINUE = 1;
const ADDFD_SETFD = 1;
const ADDFD_SEND = 2;

/** A filter program in native memory. It must stay alive until `install` has returned. */
export class Filter {
  private readonly arena: Arena;
  constructor(instructions: Uint8Array) {
    this.arena = new Arena(instructions.length + 16);
    this.arena.bytes.set(instructions, 16);
    this.arena.view.setUint16(0, instructions.length / 8, true);
    this.arena.view.setBigUint64(8, this.arena.at(16), true);
  }
  /** Loads the filter for the calling thread; returns the listener when NEW_LISTENER was asked for. */
  install(flags: number): number {
    return check(raw.nnp(NR.seccomp, SET_MODE_FILTER, flags, this.arena.at(0)), 'seccomp');
  }
}

const NOTIF = 0; // struct seccomp_notif, 80 bytes
const RESP = 128; // struct seccomp_notif_resp, 24 bytes
const ADDFD = 192; // struct seccomp_notif_addfd, 24 bytes

/** One received notification: the fields are valid until the next `receive`. */
export class Listener {
  readonly fd: number;
  private readonly arena = new Arena(512);
  private readonly notification = this.arena.at(NOTIF);
  private readonly response = this.arena.at(RESP);
  private readonly words = new Int32Array(this.arena.view.buffer, this.arena.view.byteOffset, 64);
  constructor(fd: number) {
    this.fd = fd;
  }
  /** SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (6.6): the asker is woken on our CPU. Returns false when the kernel lacks it. */
  syncWakeUp(): boolean {
    return libc.ioctl(this.fd, IOCTL.SET_FLAGS, 1n) >= 0;
  }
  /** 0, or -errno (ENOENT: the asker died; EINTR). */
  receive(): number {
    this.words.fill(0, NOTIF / 4, NOTIF / 4 + 20);
    return libc.ioctl(this.fd, IOCTL.RECV, this.notification) < 0 ? -errno() : 0;
  }
  /** In the listener's pid namespace (the supervisor's: the host's). 0 when the task is not visible there. */
  get pid(): number {
    return this.arena.view.getUint32(NOTIF + 8, true);
  }
  get nr(): number {
    return this.arena.view.getInt32(NOTIF + 16, true);
  }
  get arch(): number {
    return this.arena.view.getUint32(NOTIF + 20, true);
  }
  /** Argument as an unsigned 64-bit number (exact below 2^53: enough for user addresses). */
  arg(index: number): number {
    return this.arena.u64(NOTIF + 32 + 8 * index);
  }
  argBig(index: number): bigint {
    return this.arena.view.getBigUint64(NOTIF + 32 + 8 * index, true);
  }
  /** Low 32 bits, signed (descriptors, flags). */
  argInt(index: number): number {
    return this.arena.view.getInt32(NOTIF + 32 + 8 * index, true);
  }
  /** True while the asker is still waiting on this very call: what was read from its memory belongs to it. */
  stillValid(): boolean {
    return libc.ioctl(this.fd, IOCTL.ID_VALID, this.notification) === 0;
  }
  private answer(value: number, error: number, flags: number): boolean {
    const { words } = this;
    this.copyId(RESP);
    words[RESP / 4 + 2] = value; // the low half
    words[RESP / 4 + 3] = Math.floor(value / 2 ** 32);
    words[RESP / 4 + 4] = error;
    words[RESP / 4 + 5] = flags;
    return libc.ioctl(this.fd, IOCTL.SEND, this.response) === 0;
  }
  private copyId(to: number): void {
    this.words.copyWithin(to / 4, NOTIF / 4, NOTIF / 4 + 2);
  }
  /** The call returns `value` to the asker without having run. */
  returns(value: number): boolean {
    return this.answer(value, 0, 0);
  }
  /** The call fails with `errno` (positive). */
  fails(errorNumber: number): boolean {
    return this.answer(0, -errorNumber, 0);
  }
  /** The kernel runs the call with whatever the arguments are then. Never a security decision. */
  continues(): boolean {
    return this.answer(0, 0, CONTINUE);
  }
  /** Gives the asker a descriptor and lets the call return its number, in one step (5.14). False: the asker is gone. */
  returnsDescriptor(fd: number, cloexec: boolean): boolean {
    return this.addfd(fd, ADDFD_SEND, 0, cloexec) >= 0;
  }
  /** Puts `fd` over the asker's descriptor `target`. Returns the number or -errno. */
  replaceDescriptor(fd: number, target: number, cloexec: boolean): number {
    return this.addfd(fd, ADDFD_SETFD, target, cloexec);
  }
  private addfd(fd: number, flags: number, target: number, cloexec: boolean): number {
    const { view } = this.arena;
    this.copyId(ADDFD);
    view.setUint32(ADDFD + 8, flags, true);
    view.setUint32(ADDFD + 12, fd, true);
    view.setUint32(ADDFD + 16, target, true);
    view.setUint32(ADDFD + 20, cloexec ? 0o2000000 : 0, true);
    const result = libc.ioctl(this.fd, IOCTL.ADDFD, this.arena.at(ADDFD));
    return result < 0 ? -errno() : result;
  }
}
