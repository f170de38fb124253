// Starts the uploader, and starts it again when it ends, waiting longer each time it ends soon.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { sockets } from '../../native-bindings/linux/mod.ts';

export interface UploaderProgram {
  /** Script that `process.execPath` runs. */
  readonly script: string;
  /** Takes what it prints. */
  readonly logFile: string;
  /** Called with the link each time it has been started. */
  readonly linked: (socket: Socket) => void;
  /** It ended without having been stopped. */
  readonly ended: (how: string) => void;
}

export interface UploaderProcess {
  /** Undefined while none runs. */
  readonly pid: () => number | undefined;
  /** It has done its work: should it end now, that is not for being broken. */
  sound(): void;
  kill(): void;
  stop(): void;
}

/** nobody: owns nothing, and no session runs as it. */
const unprivileged = 65534;
/** Milliseconds. */
const firstPause = 200;
const longestPause = 30_000;

export function keepUploader(program: UploaderProgram): UploaderProcess {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let pause = firstPause;

  const start = (): void => {
    const started = spawnUploader(program);
    child = started.child;
    let over = false;
    const end = (how: string): void => {
      if (over) return;
      over = true;
      child = undefined;
      started.socket.destroy();
      if (stopped) return;
      program.ended(how);
      timer = setTimeout(start, pause);
      timer.unref();
      pause = Math.min(pause * 2, longestPause);
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(signal ?? `exit status ${code ?? '?'}`));
    program.linked(started.socket);
  };

  start();
  return {
    pid: () => child?.pid,
    sound: () => (pause = firstPause),
    kill: () => void child?.kill('SIGKILL'),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      child?.kill('SIGKILL');
    },
  };
}

function spawnUploader({ script, logFile }: UploaderProgram): { child: ChildProcess; socket: Socket } {
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
  closeSync(log);
  closeSync(theirs);
  child.unref();
  return { child, socket: new Socket({ fd: ours, readable: true, writable: true }) };
}
