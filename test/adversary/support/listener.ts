// A program outside the sandbox that attacks try to reach; it writes down everything that arrives.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from '../../support/until.ts';
import { asUser, type TestUser } from '../../support/user.ts';

export class Listener {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  #errors = '';

  private constructor(child: ChildProcess) {
    this.#process = child;
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.lines.push(line));
    child.stderr?.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
  }

  /** `places` as listen.c describes them. As root when no user is given. */
  static async start(program: string, places: readonly string[], user?: TestUser): Promise<Listener> {
    const argv = [program, ...places];
    const [file = '', ...rest] = user === undefined ? argv : asUser(user, argv);
    const listener = new Listener(spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] }));
    await until('the listener is ready', () => listener.lines.includes('ready'), {
      evidence: () => listener.#errors,
    });
    return listener;
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** True when something with this text in it arrived. */
  received(text: string): boolean {
    return this.lines.some((line) => line.includes(text));
  }

  /** True when anything at all arrived, or connected, at this place. */
  touched(place: string): boolean {
    return this.lines.some((line) => line.startsWith(`${place} `) || line === `accepted ${place}`);
  }

  stop(): void {
    this.#process.kill('SIGKILL');
  }
}
