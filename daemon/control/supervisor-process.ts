// Starts supervisors: detached, with an environment of their own, so that they outlive the daemon.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { patience, toBackground, toForeground } from './background.ts';

export interface SupervisorProgram {
  /** Script that `process.execPath` runs. */
  readonly script: string;
  readonly runDir: string;
  readonly stateDir: string;
  /** Takes what the supervisors print. */
  readonly logFile: string;
}

export interface Spawned {
  readonly pid: number;
  /** Settles when the process is gone, or never began, with what there is to say about it. */
  readonly exited: Promise<string>;
  /** Somebody waits for it: no longer in the background. */
  readonly hurry: () => void;
}

/**
 * Four isolates, each with little to do: small young generations, collected by the thread itself (helpers of V8 would run
 * on the cores that the agent works on), and one malloc arena for all. See docs/PERFORMANCE.md for what each brought.
 */
const small = ['--max-semi-space-size=1', '--single-threaded-gc', '--optimize-for-size'];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Never throws: too few descriptors, no memory or a full disk are the end of one that never began. */
export function spawnSupervisor(program: SupervisorProgram): Spawned {
  try {
    return start(program);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const exited = Promise.resolve(`it could not be started: ${text}`);
    return { pid: 0, exited, hurry: () => undefined };
  }
}

function start({ script, runDir, stateDir, logFile }: SupervisorProgram): Spawned {
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = openSync(logFile, 'a', 0o600);
  const { promise, resolve } = Promise.withResolvers<string>();
  const flags = [...small, '--disable-warning=ExperimentalWarning'];
  const child = spawnLogging(log, [...flags, script, '--run-dir', runDir, '--state-dir', stateDir]);
  child.once('error', (error) => resolve(error.message));
  child.once('exit', (code, signal) => resolve(signal ?? `exit status ${code ?? '?'}`));
  child.unref();
  const { pid = 0 } = child;
  if (pid > 0) toBackground(pid);
  const hurry = (): void => {
    clearTimeout(timer);
    if (pid > 0 && child.exitCode === null && child.signalCode === null) toForeground(pid);
  };
  const timer = setTimeout(hurry, patience).unref();
  child.once('exit', () => clearTimeout(timer));
  return { pid, exited: promise, hurry };
}

function spawnLogging(log: number, args: readonly string[]): ChildProcess {
  try {
    const env = { PATH, LANG: 'C.UTF-8', MALLOC_ARENA_MAX: '1' };
    return spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log], cwd: '/', env });
  } finally {
    closeSync(log);
  }
}

const tail = 4096;
/** Bytes of log that are kept from before; one older file is kept beside it. */
const maxLog = 1024 * 1024;

/** How our own lines begin, and the line that says what an uncaught error was; around the latter Node prints sources and stacks. */
const telling = /^(?:supervisor|\w*Error(?: \[\w+\])?): /;
const maxWords = 500;

/** What supervisors printed last, for an error message. */
export function lastWords(logFile: string): string {
  try {
    const fd = openSync(logFile, 'r');
    const size = fstatSync(fd).size;
    const buffer = Buffer.alloc(tail);
    const length = readSync(fd, buffer, 0, tail, Math.max(0, size - tail));
    closeSync(fd);
    const lines = buffer.toString('utf8', 0, length).trimEnd().split('\n');
    return (lines.findLast((line) => telling.test(line)) ?? lines.at(-1) ?? '').slice(0, maxWords);
  } catch {
    return '';
  }
}

/** Done when the daemon starts: supervisors that live on write to the file they have. */
export function rotateLog(logFile: string): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > maxLog) renameSync(logFile, `${logFile}.1`);
}
