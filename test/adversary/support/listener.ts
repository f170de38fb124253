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

  /** `places` as listen.c describes them. */
  static start(program: string, places: readonly string[], user: TestUser): Promise<Listener> {
    return Listener.run(asUser(user, [program, ...places]));
  }

  /** The whole command line. */
  static async run(argv: readonly string[]): Promise<Listener> {
    const [file = '', ...rest] = argv;
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
