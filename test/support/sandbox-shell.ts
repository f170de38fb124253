// A shell inside a session, on pipes, that a test talks to line by line.
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { RunOptions, TestCordon } from './cordon.ts';
import { until } from './until.ts';

export interface Answer {
  readonly code: number;
  /** stdout and stderr, in the order they came. */
  readonly text: string;
}

export class SandboxShell {
  readonly #cordon: TestCordon;
  readonly #child: ChildProcess;
  #output = '';
  #errors = '';
  #code: number | undefined;

  private constructor(cordon: TestCordon, child: ChildProcess) {
    this.#cordon = cordon;
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => (this.#output += chunk.toString('latin1')));
    child.stderr?.on('data', (chunk: Buffer) => (this.#errors += chunk.toString('latin1')));
    child.stdin?.on('error', () => undefined);
    child.on('close', (code) => (this.#code = code ?? -1));
  }

  /** Starts bash in a session and waits until it answers. */
  static async start(cordon: TestCordon, options: RunOptions): Promise<SandboxShell> {
    const shell = new SandboxShell(cordon, cordon.spawn(['bash', '--norc', '--noprofile'], options));
    await shell.ask(':');
    return shell;
  }

  /** Everything it wrote to stdout so far, one char a byte. */
  get output(): string {
    return this.#output;
  }

  /** What `cordon run` and the shell wrote to stderr. */
  get errors(): string {
    return this.#errors;
  }

  get ended(): number | undefined {
    return this.#code;
  }

  /** Sends a line and waits for nothing. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Runs a command and waits for its exit code. */
  async ask(command: string, within = 20_000): Promise<Answer> {
    const mark = randomUUID();
    const from = this.#output.length;
    this.tell(`{ ${command}\n} 2>&1; printf '\\n%s %d\\n' ${mark} $?`);
    const found = await until(
      `the shell answers: ${command}`,
      () => {
        if (this.#code !== undefined)
          throw new Error(`the session ended (${this.#code}): ${this.#errors}\n${this.#cordon.log}`);
        return new RegExp(`\\n${mark} (\\d+)\\n`).exec(this.#output.slice(from));
      },
      { within, evidence: () => this.#output.slice(from, from + 2000) + this.#errors.slice(-2000) },
    );
    return { code: Number(found[1]), text: this.#output.slice(from, from + found.index) };
  }

  /** Closes its input and waits for `cordon run` to end. */
  async leave(within = 20_000): Promise<number> {
    this.#child.stdin?.end();
    const code = await until(
      'cordon run ends',
      () => (this.#code === undefined ? undefined : { code: this.#code }),
      {
        within,
        evidence: () => this.#errors.slice(-2000),
      },
    );
    return code.code;
  }

  /** Kills the CLI, not the session. */
  hangUp(): void {
    if (this.#code === undefined) this.#child.kill('SIGKILL');
  }
}
