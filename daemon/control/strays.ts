// What a supervisor that was killed could not take away itself: its stage directory and its control groups, both named
// after its pid. Removed only when no process has that pid, and only when empty: never recursively.
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseMountInfo } from '../launcher/mod.ts';

interface Stray {
  readonly path: string;
  readonly pid: number;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function straysIn(directory: string, pattern: RegExp): Stray[] {
  return namesIn(directory).flatMap((name) => {
    const pid = pattern.exec(name)?.[1];
    return pid === undefined ? [] : [{ path: join(directory, name), pid: Number(pid) }];
  });
}

function cgroupDirectories(): string[] {
  const mounts = parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1'));
  return mounts
    .filter(({ type }) => type === 'cgroup' || type === 'cgroup2')
    .map(({ target }) => join(target, 'cordon'));
}

/** Returns what is still there and should not be: a group with a process in it, for one. */
export function removeStrays(runDir: string): string[] {
  const strays = [
    ...straysIn(runDir, /^stage-(\d+)$/),
    ...cgroupDirectories().flatMap((directory) => straysIn(directory, /^s(\d+)$/)),
  ];
  return strays.flatMap(({ path, pid }) => {
    if (existsSync(`/proc/${pid}`)) return [];
    try {
      rmdirSync(path);
      return [];
    } catch {
      return existsSync(path) ? [path] : [];
    }
  });
}
