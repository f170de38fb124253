// Starts the uploader, and starts it again when it ends, waiting longer each time it ends soon.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { sockets } from '../../native-bindings/linux/mod.ts';

export interface UploaderProgram {
  /** Script that `process.execPath` runs. */
  readonly script: string;
  /** Takes what it prints. */
  readonly logFile: string;
  /** Called with the link each time it has been started; `kill` ends this one. */
  readonly linked: (socket: Socket, kill: () => void) => void;
  /** It ended without having been stopped. */
  readonly ended: (how: string) => void;
}

export interface UploaderProcess {
  /** Undefined while none runs. */
  readonly pid: () => number | undefined;
  /** It has done its work: should it end now, that is not for being broken. */
  sound(): void;
  stop(): void;
}

/** nobody: owns nothing, and no session runs as it. */
const unprivileged = 65534;
/** Milliseconds. */
const firstPause = 200;
const longestPause = 30_000;
const memoryInterval = 1000;
/** Bytes in memory, of which one batch a sink is a small part: more is a server that sends without end. */
const mostMemory = 512 * 2 ** 20;

export function keepUploader(program: UploaderProgram): UploaderProcess {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let pause = firstPause;

  const start = (): void => {
    try {
      begin(spawnUploader(program));
    } catch (error) {
      // Too few descriptors, no memory, a full disk: tried again.
      again(String(error));
    }
  };
  const again = (how: string): void => {
    program.ended(how);
    timer = setTimeout(start, pause);
    timer.unref();
    pause = Math.min(pause * 2, longestPause);
  };
  const begin = (started: Started): void => {
    child = started.child;
    let over = false;
    const end = (how: string): void => {
      if (over) return;
      over = true;
      child = undefined;
      started.socket.destroy();
      if (!stopped) again(how);
    };
    const watch = setInterval(() => {
      const bytes = residentBytes(started.child.pid);
      if (bytes <= mostMemory) return;
      started.child.kill('SIGKILL');
      end(`it took ${Math.round(bytes / 2 ** 20)} MiB of memory`);
    }, memoryInterval).unref();
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => {
      clearInterval(watch);
      end(signal ?? `exit status ${code ?? '?'}`);
    });
    program.linked(started.socket, () => void started.child.kill('SIGKILL'));
  };

  start();
  return {
    pid: () => child?.pid,
    sound: () => (pause = firstPause),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      child?.kill('SIGKILL');
    },
  };
}

/** proc_pid_statm(5), whose second number is in pages; 0 when it is gone. */
function residentBytes(pid: number | undefined): number {
  try {
    const [, resident = '0'] = readFileSync(`/proc/${pid ?? 0}/statm`, 'latin1').split(' ');
    return Number(resident) * pageSize;
  } catch {
    return 0;
  }
}

/** x86-64, and arm64 as Debian has it. A larger page would have the limit be reached later. */
const pageSize = 4096;

/** Should memory end before the next look, this is what the kernel is to take (proc_pid_oom_score_adj(5)). */
function firstToGo(pid: number | undefined): void {
  try {
    writeFileSync(`/proc/${pid ?? 0}/oom_score_adj`, '1000');
  } catch (error) {
    // It ended at once, which is told elsewhere.
    if (!(error instanceof Error)) throw error;
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly socket: Socket;
}

function spawnUploader({ script, logFile }: UploaderProgram): Started {
  const [ours, theirs] = sockets.socketPair(sockets.SOCK.STREAM | sockets.SOCK.CLOEXEC);
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = openSync(logFile, 'a', 0o600);
  const flags = ['--max-semi-space-size=1', '--optimize-for-size', '--disable-warning=ExperimentalWarning'];
  const child = spawn(process.execPath, [...flags, script], {
    stdio: ['ignore', 'ignore', log, theirs],
    // One arena: memory that one batch took is there for the next.
    env: { MALLOC_ARENA_MAX: '1' },
    cwd: '/',
    uid: unprivileged,
    gid: unprivileged,
  });
  firstToGo(child.pid);
  closeSync(log);
  closeSync(theirs);
  child.unref();
  return { child, socket: new Socket({ fd: ours, readable: true, writable: true }) };
}
