// What a client types, on its way into the terminal's master side. Not through a stream of Node: libuv takes a master for a
// descriptor that blocks, and tries again without pause while the program inside reads nothing.
import { writeSync } from 'node:fs';
import type { ReadStream } from 'node:tty';

/**
 * A full terminal holds about 12 KiB, which a program that reads takes in microseconds: so it is tried again at once for as
 * long as this. After that there are milliseconds between two tries: at first, and at most.
 */
const AT_ONCE_MS = 1;
const SHORTEST_MS = 1;
const LONGEST_MS = 32;

interface Waiting {
  readonly data: Uint8Array;
  at: number;
  /** Called once the terminal has taken all of it, or never will. */
  readonly taken: () => void;
}

export class TerminalInput {
  private readonly master: ReadStream;
  private readonly fd: number;
  private readonly waiting: Waiting[] = [];
  private timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  private pause = SHORTEST_MS;
  /** When it was first found full, in milliseconds; 0 while it takes. */
  private fullSince = 0;
  /** `master` reads from `fd`, which does not block, and closes it. */
  constructor(master: ReadStream, fd: number) {
    this.master = master;
    this.fd = fd;
  }

  write(data: Uint8Array, taken: () => void): void {
    this.waiting.push({ data, at: 0, taken });
    if (this.timer === undefined) this.flush();
  }

  /** What waits is dropped. */
  close(): void {
    for (const { taken } of this.waiting.splice(0)) taken();
  }

  private flush(): void {
    this.timer = undefined;
    for (let first = this.waiting[0]; first !== undefined; first = this.waiting[0]) {
      const written = this.tryWrite(first.data.subarray(first.at));
      if (written === 'full') {
        this.tryAgain();
        return;
      }
      this.pause = SHORTEST_MS;
      this.fullSince = 0;
      first.at += written;
      if (first.at < first.data.length) continue;
      this.waiting.shift();
      first.taken();
    }
  }

  private tryAgain(): void {
    const now = performance.now();
    this.fullSince ||= now;
    if (now - this.fullSince < AT_ONCE_MS) {
      this.timer = setImmediate(() => this.flush());
      return;
    }
    this.timer = setTimeout(() => this.flush(), this.pause).unref();
    this.pause = Math.min(2 * this.pause, LONGEST_MS);
  }

  /** Bytes that were taken: all of them when there is nobody to take them any more. */
  private tryWrite(data: Uint8Array): number | 'full' {
    // Destroyed, the stream has given its descriptor's number back.
    if (this.master.destroyed || data.length === 0) return data.length;
    try {
      return writeSync(this.fd, data);
    } catch (error) {
      // EIO: the last process has closed the terminal.
      return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 'full' : data.length;
    }
  }
}
