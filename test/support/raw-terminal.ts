// A terminal for many bytes: what is shown is hashed, not kept; reading can be paused; what is typed waits for room.
import { createHash, type Hash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type * as NodePty from 'node-pty';
import type { Exit, TerminalOptions } from './terminal.ts';
import { until } from './until.ts';

const pty = createRequire(import.meta.url)('node-pty') as typeof NodePty;

/** Bytes of the beginning that are kept, for what a program says before and after its load. */
const headSize = 4096;
/** Milliseconds without room after which the writer counts as waiting, and between two tries. */
const stuck = 1000;
const retry = 2;
/** Milliseconds after the last room during which the next try comes without a pause. */
const soon = 1;

export class RawTerminal {
  readonly #process: NodePty.IPty;
  readonly #fd: number;
  #hash: Hash = createHash('sha256');
  #exit: Exit | undefined;
  #head = '';
  /** Since `restart`. */
  length = 0;
  typed = 0;
  waiting = false;

  constructor(argv: readonly string[], { cwd, env }: TerminalOptions) {
    const [file, ...rest] = argv;
    if (file === undefined) throw new Error('no command');
    this.#process = pty.spawn(file, rest, { cwd, env: { ...env }, encoding: null });
    this.#fd = (this.#process as unknown as { fd: number }).fd;
    // Without an encoding it is bytes that come.
    this.#process.onData((data) => this.#take(data as unknown as Buffer));
    this.#process.onExit(({ exitCode, signal }) => (this.#exit = { code: exitCode, signal: signal ?? 0 }));
  }

  /** The first bytes since the last restart. */
  get head(): string {
    return this.#head;
  }

  #take(data: Buffer): void {
    if (this.#head.length < headSize) this.#head += data.toString('latin1', 0, headSize);
    this.#hash.update(data);
    this.length += data.length;
  }

  /** What was shown so far does not count. */
  restart(): void {
    this.#hash = createHash('sha256');
    this.#head = '';
    this.length = 0;
  }

  /** Of what was shown since the restart. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }

  pause(): void {
    this.#process.pause();
  }

  resume(): void {
    this.#process.resume();
  }

  /** Types all of it, as fast as the terminal takes it, or until it is to stop. */
  async type(chunks: Iterable<Buffer>, stop?: AbortSignal): Promise<void> {
    let last = performance.now();
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        if (stop?.aborted === true) return;
        const written = this.#write(chunk.subarray(at));
        at += written;
        this.typed += written;
        if (written > 0) last = performance.now();
        this.waiting = performance.now() - last > stuck;
        // A terminal holds about 12 KiB: one that is read has room again at once.
        if (performance.now() - last < soon) await nextTurn();
        else await pause(retry);
      }
    }
  }

  #write(bytes: Buffer): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
      throw error;
    }
  }

  exit(within = 20_000): Promise<Exit> {
    return until('the program on the terminal ends', () => this.#exit, { within });
  }

  kill(): void {
    if (this.#exit === undefined) this.#process.kill('SIGKILL');
  }
}
