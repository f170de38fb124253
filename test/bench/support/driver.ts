// A shell that runs commands as they come and tells how long each took, so that what is measured is a command inside a
// live sandbox and not the sandbox's start.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

/** Microseconds and exit status of each line read. EPOCHREALTIME needs bash 5. */
export const driverScript = `
while IFS= read -r line; do
  a=$EPOCHREALTIME
  eval "$line" </dev/null >/dev/null 2>&1
  s=$?
  b=$EPOCHREALTIME
  echo "$((10#\${b/[.,]/} - 10#\${a/[.,]/})) $s"
done
`;
export const driverCommand: readonly string[] = ['bash', '-c', driverScript];

export class Driver {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #errors = '';

  constructor(
    argv: readonly string[],
    options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  ) {
    const [file = '', ...rest] = argv;
    const child = spawn(file, rest, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
    child.stdin.on('error', () => undefined); // A shell that has ended is noticed by the read below.
    this.#child = child;
    this.#reader = createInterface({ input: child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Milliseconds that `command` took; a command that fails is an error, for its time means nothing. */
  async time(command: string): Promise<number> {
    this.#child.stdin?.write(`${command}\n`);
    const { value, done } = (await this.#lines.next()) as IteratorResult<string, undefined>;
    const [time, status] = (value ?? '').split(' ').map(Number);
    if (done === true || time === undefined || status !== 0)
      throw new Error(`${command}: ${value ?? 'the shell ended'}\n${this.#errors.slice(-2000)}`);
    return time / 1000;
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await ended;
    this.#reader.close();
  }
}
