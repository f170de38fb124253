// A session full of processes that are hard to be rid of (crowd.c), for the kill switch.
import { spawnSync } from 'node:child_process';
import { chownSync, closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestUser } from './user.ts';

const source = fileURLToPath(new URL('crowd.c', import.meta.url));

/** Path of the program, built into `directory` for `user`. */
export function buildCrowd(directory: string, user: TestUser): string {
  const program = join(directory, 'crowd');
  const built = spawnSync('gcc', ['-O1', '-o', program, source], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`gcc: ${built.error?.message ?? built.stderr}`);
  chownSync(program, user.uid, user.gid);
  return program;
}

/** proc_pid_stat(5): T stopped, D uninterruptible, Z dead and not yet waited for, … */
export interface Member {
  readonly pid: number;
  readonly state: string;
}

const attempt = (look: () => string): string => {
  try {
    return look();
  } catch {
    return ''; // It ended meanwhile.
  }
};

/** Held: the kernel gives the number of a namespace that is gone to the next one. */
export interface PidNamespace {
  readonly name: string;
  release(): void;
}

export function holdPidNamespace(pid: number): PidNamespace {
  const path = `/proc/${pid}/ns/pid`;
  const held = openSync(path, 'r');
  return { name: readlinkSync(path), release: () => closeSync(held) };
}

/** Every process of a pid namespace. */
export function membersOf({ name: namespace }: PidNamespace): Member[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && attempt(() => readlinkSync(`/proc/${name}/ns/pid`)) === namespace)
    .map((name) => ({
      pid: Number(name),
      state: /\) (\S)/.exec(attempt(() => readFileSync(`/proc/${name}/stat`, 'utf8')))?.[1] ?? '',
    }));
}

export const inState = (members: readonly Member[], state: string): number =>
  members.filter((one) => one.state === state).length;
