// A person at a terminal: starts a program on a PTY, reads what it shows, types. Answers the questions that
// terminal programs ask of their terminal (cursor position, device attributes), as a real one would.
import { createRequire } from 'node:module';
import type * as NodePty from 'node-pty';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from './until.ts';

const pty = createRequire(import.meta.url)('node-pty') as typeof NodePty;

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly columns?: number;
  readonly rows?: number;
}

/** Milliseconds. */
const moment = 200;

export interface Exit {
  readonly code: number;
  readonly signal: number;
}

// ECMA-48: CSI … final byte; OSC … BEL or ST.
const escapes = /\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]/g;

export class Terminal {
  readonly #process: NodePty.IPty;
  #output = '';
  #exit: Exit | undefined;

  constructor(argv: readonly string[], options: TerminalOptions) {
    const [file, ...rest] = argv;
    if (file === undefined) throw new Error('no command');
    this.#process = pty.spawn(file, rest, {
      cols: options.columns ?? 120,
      rows: options.rows ?? 40,
      cwd: options.cwd,
      env: { ...options.env },
    });
    this.#process.onData((data) => {
      this.#take(data);
    });
    this.#process.onExit(({ exitCode, signal }) => {
      this.#exit = { code: exitCode, signal: signal ?? 0 };
    });
  }

  /** Everything shown so far, escape sequences included. */
  get output(): string {
    return this.#output;
  }

  /** What was shown, without escapes and white space: full-screen programs place words with cursor moves. */
  get words(): string {
    return this.#output.replace(escapes, '').replace(/\s/g, '');
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): Exit | undefined {
    return this.#exit;
  }

  type(text: string): void {
    this.#process.write(text);
  }

  resize(columns: number, rows: number): void {
    this.#process.resize(columns, rows);
  }

  /** Waits until these words are on the screen, white space ignored. */
  async shows(text: string, within = 60_000): Promise<void> {
    const wanted = text.replace(/\s/g, '');
    await until(`the terminal shows ${JSON.stringify(text)}`, () => this.words.includes(wanted), {
      within,
      evidence: () => this.words.slice(-2000),
    });
  }

  /**
   * Types a line as people do: the text, and Enter only after it was echoed, and a moment later: an Enter right behind the last
   * character is a pasted line break to programs that tell the two apart by time.
   */
  async enter(text: string): Promise<void> {
    this.type(text);
    await this.shows(text);
    await pause(moment);
    this.type('\r');
  }

  /** Enters what ends the program, and Enter again when it does not end: people look, and press it again. */
  async leave(text: string): Promise<Exit> {
    await this.enter(text);
    let looks = 0;
    return until(
      'the program on the terminal ends',
      () => {
        if (this.#exit === undefined && looks++ > 0) this.type('\r');
        return this.#exit;
      },
      { within: 60_000, every: 2000, evidence: () => this.words.slice(-2000) },
    );
  }

  exit(within = 20_000): Promise<Exit> {
    return until('the program on the terminal ends', () => this.#exit, {
      within,
      evidence: () => this.words.slice(-2000),
    });
  }

  kill(): void {
    if (this.#exit === undefined) this.#process.kill('SIGKILL');
  }

  #take(data: string): void {
    this.#output += data;
    if (data.includes('\x1b[6n')) this.type('\x1b[1;1R');
    if (data.includes('\x1b[c')) this.type('\x1b[?62c');
  }
}
