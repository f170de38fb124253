// posix_spawn(3). What starts a program by fork(2), as libuv does, copies the page tables of the whole process, and every
// page that any thread writes afterwards: milliseconds in a process with several isolates. posix_spawn() copies nothing
// (clone(2) with CLONE_VM and CLONE_VFORK); the calling thread waits until the new image runs.
import { Arena } from './arena.ts';
import { errnoName } from './errno.ts';
import { makeBlocking } from './io.ts';
import { check, errno, libc, NR, raw } from './libc.ts';

export interface Program {
  /** Absolute; like all strings here one char a byte. */
  readonly file: string;
  /** With argv[0]. */
  readonly argv: readonly string[];
  /** NAME=value. */
  readonly environment: readonly string[];
  /** Our descriptors that become 0, 1 and 2, and block from now on. All others must be close-on-exec. */
  readonly stdio: readonly [number, number, number];
  /** A session and process group of its own. */
  readonly newSession: boolean;
  readonly uid: number;
  readonly gid: number;
}

/** POSIX_SPAWN_*, of glibc's spawn.h. */
const FLAG = { RESETIDS: 1, SETSIGDEF: 4, SETSIGMASK: 8, SETSID: 128 } as const;

const ATTRIBUTES = 0; // posix_spawnattr_t, 336 bytes
const ACTIONS = 384; // posix_spawn_file_actions_t, 80 bytes
const ALL_SIGNALS = 512; // sigset_t, 128 bytes
const NO_SIGNALS = 640;
const PID = 768;
const STATUS = 776;
const STRINGS = 784;

/** A vector of pointers at `at`, ended by null, to the strings that are put behind it; returns where the next thing may go. */
function putVector(arena: Arena, at: number, texts: readonly string[]): number {
  let end = at + 8 * (texts.length + 1);
  texts.forEach((text, i) => {
    arena.view.setBigUint64(at + 8 * i, arena.cstring(end, text, text.length + 1), true);
    end += text.length + 1;
  });
  return (end + 7) & ~7;
}

const sizeOf = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + text.length + 9, 8 + 8);

/**
 * Starts a program with default signals, the working directory of the calling thread and the user's ids; returns its pid,
 * or -errno when it does not run. While the call lasts the thread's real ids are the user's: posix_spawn() can only make
 * them the effective ones, and execve(2) makes those the saved ones.
 */
export function spawnProgram(program: Program): number {
  const { file, argv, environment, stdio } = program;
  const arena = new Arena(STRINGS + sizeOf([file]) + sizeOf(argv) + sizeOf(environment));
  const [path, vector] = [arena.cstring(STRINGS, file, file.length + 1), (STRINGS + file.length + 8) & ~7];
  const variables = putVector(arena, vector, argv);
  putVector(arena, variables, environment);
  prepare(arena, program.newSession);
  for (const [target, fd] of stdio.entries()) {
    makeBlocking(fd);
    libc.spawnAddDup2(arena.at(ACTIONS), fd, target);
  }
  check(raw.n4(NR.setresgid, program.gid, -1, -1, 0), 'setresgid');
  check(raw.n4(NR.setresuid, program.uid, -1, -1, 0), 'setresuid');
  try {
    const [actions, attributes] = [arena.at(ACTIONS), arena.at(ATTRIBUTES)];
    const error = libc.spawn(arena.at(PID), path, actions, attributes, arena.at(vector), arena.at(variables));
    return error === 0 ? arena.view.getInt32(PID, true) : -error;
  } finally {
    check(raw.n4(NR.setresuid, 0, -1, -1, 0), 'setresuid');
    check(raw.n4(NR.setresgid, 0, -1, -1, 0), 'setresgid');
    libc.spawnActionsDestroy(arena.at(ACTIONS));
    arena.free();
  }
}

/** These return what went wrong. None may pass: without its flags the program would run with our ids. */
function must(error: number, call: string): void {
  if (error !== 0) throw new Error(`${call}: ${errnoName(error)}`);
}

function prepare(arena: Arena, newSession: boolean): void {
  const attributes = arena.at(ATTRIBUTES);
  must(libc.spawnAttributesInit(attributes), 'posix_spawnattr_init');
  must(libc.spawnActionsInit(arena.at(ACTIONS)), 'posix_spawn_file_actions_init');
  arena.bytes.fill(0xff, ALL_SIGNALS, ALL_SIGNALS + 128);
  must(libc.spawnSetSigDefault(attributes, arena.at(ALL_SIGNALS)), 'posix_spawnattr_setsigdefault');
  must(libc.spawnSetSigMask(attributes, arena.at(NO_SIGNALS)), 'posix_spawnattr_setsigmask');
  const session = newSession ? FLAG.SETSID : 0;
  const flags = FLAG.RESETIDS | FLAG.SETSIGDEF | FLAG.SETSIGMASK | session;
  must(libc.spawnSetFlags(attributes, flags), 'posix_spawnattr_setflags');
}

export interface Ended {
  /** Exit status, or null when a signal ended it. */
  readonly code: number | null;
  readonly signal: number | null;
}

const EINTR = 4;
const ECHILD = 10;
/** Blocks until a child of ours has ended. Throws ECHILD when it is none. */
export function awaitExit(pid: number): Ended {
  const arena = new Arena(STRINGS);
  check(waited(arena, pid, 0), 'waitpid');
  const ended = endedAs(arena.view.getInt32(STATUS, true));
  arena.free();
  return ended;
}

/** wait(2), Linux: children of the calling thread, not of others (__WNOTHREAD); whatever they signal (__WALL). */
const OF_THIS_THREAD = 0x2000_0000 | 0x4000_0000;

/**
 * Blocks until the calling thread has no child any more, and tells of each that has ended. A process that it started can make
 * others its children (clone(2), CLONE_PARENT): without somebody who waits for them they would stay, dead, with their numbers.
 */
export function awaitAll(tell: (pid: number, ended: Ended) => void): void {
  const arena = new Arena(STRINGS);
  for (let got = 0; got >= 0;) {
    got = waited(arena, -1, OF_THIS_THREAD);
    if (got > 0) tell(got, endedAs(arena.view.getInt32(STATUS, true)));
    else if (errno() !== ECHILD) check(got, 'waitpid');
  }
  arena.free();
}

function waited(arena: Arena, pid: number, options: number): number {
  let got = libc.waitpid(pid, arena.at(STATUS), options);
  while (got < 0 && errno() === EINTR) got = libc.waitpid(pid, arena.at(STATUS), options);
  return got;
}

function endedAs(status: number): Ended {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal };
}
