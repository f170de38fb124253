// A private cordond: its own run, state and profile directories, the real programs from dist/, the real sockets.
import type { ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { capture, start, type Ran } from './capture.ts';
import { leftovers, processesNaming } from './leftovers.ts';
import { until } from './until.ts';
import { asUser, type TestUser } from './user.ts';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
export const cordonProgram = join(dist, 'cordon');

export interface CordonOptions {
  /** Profile name → YAML, written before cordond starts. */
  readonly profiles?: Readonly<Record<string, string>>;
  /** Where the state goes; made when absent. */
  readonly stateDir?: string;
  /** Text of the settings file. */
  readonly settings?: string;
}

export type { Ran } from './capture.ts';

export interface RunOptions {
  readonly user: TestUser;
  readonly workspace: string;
  readonly profile: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Milliseconds; then the CLI is killed. */
  readonly within?: number;
  readonly options?: readonly string[];
}

export interface Explanation {
  readonly record: SessionRecord;
  readonly layer: string;
  readonly rule: string;
  readonly change: string;
  readonly changeFile: string;
  readonly notes: readonly string[];
}

export interface SessionFacts {
  readonly session: string;
  readonly state: string;
  readonly started: number;
  readonly workspace: string;
  readonly supervisorPid: number;
  readonly initPid: number;
  readonly processes: number;
  readonly exitCode: number;
}

export const baseEnvironment = (user: TestUser): Record<string, string> => ({
  HOME: user.home,
  USER: user.name,
  LOGNAME: user.name,
  SHELL: '/bin/bash',
  PATH: '/usr/local/bin:/usr/bin:/bin',
  TERM: 'xterm-256color',
  LANG: 'C.UTF-8',
});

/** Why cordond cannot be tested here, or undefined. */
export const notBuilt = (): string | undefined =>
  existsSync(join(dist, 'cordond.js')) ? undefined : 'dist/ is not built: npm run build';

export class TestCordon {
  readonly root: string;
  readonly runDir: string;
  readonly stateDir: string;
  readonly profilesDir: string;
  readonly settingsFile: string | undefined;
  #daemon: ChildProcess | undefined;
  #log = '';
  #stopped = false;

  private constructor(options: CordonOptions) {
    this.root = mkdtempSync(join(tmpdir(), 'cordon-test-'));
    chmodSync(this.root, 0o755);
    this.runDir = join(this.root, 'run');
    this.stateDir = options.stateDir ?? join(this.root, 'state');
    this.profilesDir = join(this.root, 'profiles');
    this.settingsFile = options.settings === undefined ? undefined : join(this.root, 'config.yaml');
    if (this.settingsFile !== undefined) writeFileSync(this.settingsFile, options.settings ?? '');
    mkdirSync(this.profilesDir, { mode: 0o755 });
    for (const [name, text] of Object.entries(options.profiles ?? {})) this.writeProfile(name, text);
  }

  static async start(options: CordonOptions = {}): Promise<TestCordon> {
    const cordon = new TestCordon(options);
    await cordon.startDaemon();
    return cordon;
  }

  get socket(): string {
    return join(this.runDir, 'admin.sock');
  }

  /** What cordond and its supervisors wrote, for the failure output of a test. */
  get log(): string {
    const directory = join(this.stateDir, 'log');
    const files = existsSync(directory) ? readdirSync(directory) : [];
    const texts = files.map((name) => readFileSync(join(directory, name), 'utf8').slice(-4000));
    return [this.#log, ...texts].filter((text) => text !== '').join('\n');
  }

  get daemonPid(): number {
    const pid = this.#daemon?.pid;
    if (pid === undefined) throw new Error('cordond is not running');
    return pid;
  }

  writeProfile(name: string, text: string): void {
    // Whole or not at all: cordond looks as soon as there is something.
    const made = join(this.root, 'profile');
    writeFileSync(made, text);
    renameSync(made, join(this.profilesDir, `${name}.yaml`));
  }

  async startDaemon(): Promise<void> {
    const daemon = start(
      [
        join(dist, 'cordond'),
        '--run-dir',
        this.runDir,
        '--state-dir',
        this.stateDir,
        '--profiles',
        this.profilesDir,
        ...(this.settingsFile === undefined ? [] : ['--config', this.settingsFile]),
      ],
      { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
    );
    this.#daemon = daemon;
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-64 * 1024);
    };
    daemon.stdout?.on('data', keep);
    daemon.stderr?.on('data', keep);
    await until('cordond answers', () => this.#ready(daemon), { evidence: () => this.#log, every: 50 });
  }

  async #ready(daemon: ChildProcess): Promise<boolean> {
    if (daemon.exitCode !== null || daemon.signalCode !== null) {
      throw new Error(
        `cordond ended while starting (${daemon.exitCode ?? daemon.signalCode ?? ''}):\n${this.#log}`,
      );
    }
    if (!existsSync(this.socket)) return false;
    return (await this.cli(['status', '--json'])).code === 0;
  }

  /** SIGKILL, as a crash would. Sessions go on. */
  async killDaemon(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    daemon.kill(signal);
    await until('cordond ends', () => daemon.exitCode !== null || daemon.signalCode !== null, {
      evidence: () => this.#log,
    });
    this.#daemon = undefined;
  }

  /** Runs the CLI as root and waits for it. */
  cli(args: readonly string[], { within = 30_000 }: { within?: number } = {}): Promise<Ran> {
    return this.#wait(
      [cordonProgram, ...args],
      { PATH: '/usr/bin:/bin', CORDON_SOCKET: this.socket },
      within,
    );
  }

  async json<T>(args: readonly string[]): Promise<T> {
    const ran = await this.cli([...args, '--json']);
    if (ran.code !== 0) throw new Error(`cordon ${args.join(' ')} exited ${ran.code}: ${ran.stderr}`);
    return JSON.parse(ran.stdout) as T;
  }

  /** The command line of `cordon run … -- argv` as that user, for a terminal or a pipe. */
  runCommand(argv: readonly string[], { user, workspace, profile, options = [] }: RunOptions): string[] {
    const cordon = [
      cordonProgram,
      'run',
      '--profile',
      profile,
      '--workspace',
      workspace,
      ...options,
      '--',
      ...argv,
    ];
    return asUser(user, cordon);
  }

  runEnvironment({ user, env }: RunOptions): Record<string, string> {
    return { ...baseEnvironment(user), CORDON_SOCKET: this.socket, ...env };
  }

  /** `cordon run … -- argv` on pipes, to its end. */
  run(argv: readonly string[], options: RunOptions): Promise<Ran> {
    const { within = 60_000, input, workspace } = options;
    return this.#wait(this.runCommand(argv, options), this.runEnvironment(options), within, workspace, input);
  }

  /** `cordon run … -- argv` on pipes, left running. */
  spawn(argv: readonly string[], options: RunOptions): ChildProcess {
    const { workspace } = options;
    return start(this.runCommand(argv, options), { env: this.runEnvironment(options), cwd: workspace });
  }

  #wait(
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    within: number,
    cwd = '/',
    input?: string,
  ): Promise<Ran> {
    return capture(start(argv, { env, cwd, within }), input);
  }

  async sessions(): Promise<readonly SessionFacts[]> {
    return (await this.json<{ sessions: SessionFacts[] }>(['sessions'])).sessions;
  }

  async blocks(session?: string): Promise<readonly SessionRecord[]> {
    const of = session === undefined ? [] : ['--session', session];
    return (await this.json<{ blocks: SessionRecord[] }>(['blocks', '--limit', '10000', ...of])).blocks;
  }

  /** Every record that cordond has of a session, oldest first. */
  async records(session: string): Promise<readonly SessionRecord[]> {
    const args = ['audit', 'tail', '--session', session, '--limit', '100000', '--json'];
    const ran = await this.cli(args);
    if (ran.code !== 0) throw new Error(`cordon ${args.join(' ')} exited ${ran.code}: ${ran.stderr}`);
    const lines = ran.stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as SessionRecord).sort((a, b) => a.seq - b.seq);
  }

  explain(id: string): Promise<Explanation> {
    return this.json<Explanation>(['explain', id]);
  }

  /** The session that runs, or ran, in this workspace. */
  sessionIn(workspace: string): Promise<SessionFacts> {
    return until(`a session in ${workspace}`, async () =>
      (await this.sessions())
        .filter((one) => one.workspace === workspace)
        .sort((a, b) => b.started - a.started)
        .at(0),
    );
  }

  /** Records in the session's journal file, as it is on disk now. */
  journalSize(session: string): number {
    const file = join(this.stateDir, 'journal', `${session}.journal`);
    return existsSync(file) ? readFileSync(file).length : 0;
  }

  /** Ends cordond and every session, and says what is still there: mounts, cgroups, processes. Empty is right. */
  async stop(): Promise<readonly string[]> {
    if (this.#stopped) return [];
    this.#stopped = true;
    try {
      if (this.#daemon !== undefined) {
        await this.cli(['kill', '--all']);
        await this.#end('SIGTERM');
      }
      await until('every process of this cordond is gone', () => leftovers(this.root).length === 0, {
        within: 30_000,
        every: 50,
      }).catch(() => undefined);
      return leftovers(this.root);
    } finally {
      for (const { pid } of processesNaming(this.root)) process.kill(pid, 'SIGKILL');
      rmSync(this.root, { recursive: true, force: true });
    }
  }
}
