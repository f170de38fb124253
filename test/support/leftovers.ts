// What a stopped Cordon may have left on the machine: processes that name its directories, mounts under them, and
// cgroups that hold no task.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // The process ended between readdir and here.
  }
};

export interface Found {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** Processes whose command line names `path`. */
export function processesNaming(path: string): Found[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => ({
      pid: Number(name),
      // proc_pid_stat(5): the parent is the second field after the name in parentheses.
      parent: Number(/\) \S+ (\d+)/.exec(read(`/proc/${name}/stat`))?.[1] ?? 0),
      command: read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim(),
    }))
    .filter(({ command }) => command.includes(path));
}

const mountsUnder = (path: string): string[] =>
  read('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${path}/`));

/** Cgroup directories, in every hierarchy, whose name contains `mark`. */
export function cgroupsNaming(mark: string, root = '/sys/fs/cgroup', depth = 5): string[] {
  if (depth === 0) return [];
  let names: string[];
  try {
    names = readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return []; // Removed while we looked.
  }
  return names.flatMap((name) => {
    const path = join(root, name);
    return [...(name.includes(mark) ? [path] : []), ...cgroupsNaming(mark, path, depth - 1)];
  });
}

export function leftovers(root: string): string[] {
  return [
    ...processesNaming(root).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...mountsUnder(root).map((point) => `mount: ${point}`),
  ];
}
