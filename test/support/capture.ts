// A child process to its end, with what it said.
import { spawn, type ChildProcess } from 'node:child_process';

export interface Ran {
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function capture(child: ChildProcess, input = ''): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  // A child that does not read its input closes the pipe: EPIPE is its business.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve({ code: code ?? -1, signal, stdout, stderr });
    });
  });
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds; then it is killed. */
  readonly within?: number;
}

/**
 * Starts a program with exactly this environment. By env(1), because a test runner may add variables of its own
 * (NODE_OPTIONS) to whatever a test spawns.
 */
export function start(argv: readonly string[], { env, cwd = '/', within }: Surroundings): ChildProcess {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return spawn('/usr/bin/env', ['-i', ...settings, ...argv], {
    cwd,
    stdio: 'pipe',
    killSignal: 'SIGKILL',
    ...(within === undefined ? {} : { timeout: within }),
  });
}
