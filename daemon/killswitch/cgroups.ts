// The control groups of one session, found from its first process. A directory counts only when it is one of ours
// (`…/cordon/<name>`, one a session): the switch must never reach beyond the session.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { procfs } from '../../native-bindings/linux/mod.ts';

export interface SessionCgroups {
  /** cgroup v2 directory (cgroup.kill, cgroup.freeze). */
  readonly unified?: string;
  /** cgroup v1 freezer directory (freezer.state). */
  readonly freezer?: string;
  /** cgroup v1 pids directory. */
  readonly pids?: string;
}

/** mountinfo(5) lines of type `fsType` whose super options contain `option`: the first mount point. */
function mountPoint(mountinfo: string, fsType: string, option: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    const [type, , options] = (right ?? '').split(' ');
    if (type === fsType && (option === '' || (options ?? '').split(',').includes(option)))
      return left?.split(' ')[4];
  }
  return undefined;
}

/** `procCgroup` is the text of /proc/<init>/cgroup, `mountinfo` that of /proc/self/mountinfo. */
export function sessionCgroups(procCgroup: string, mountinfo: string): SessionCgroups {
  const found: { unified?: string; freezer?: string; pids?: string } = {};
  for (const line of procCgroup.split('\n')) {
    const [hierarchy, controllers, path] = line.split(':');
    if (path === undefined || !/\/cordon\/[^/]+$/.test(path)) continue;
    const place = hierarchy === '0' ? 'unified' : controllers;
    if (place !== 'unified' && place !== 'freezer' && place !== 'pids') continue;
    const mount =
      place === 'unified' ? mountPoint(mountinfo, 'cgroup2', '') : mountPoint(mountinfo, 'cgroup', place);
    if (mount !== undefined) found[place] = join(mount, path);
  }
  return found;
}

export function findCgroups(initPid: number): SessionCgroups {
  if (initPid === 0) return {};
  return sessionCgroups(procfs.readProc(`/proc/${initPid}/cgroup`), procfs.readProc('/proc/self/mountinfo'));
}

/** False when the file is not there or refuses. */
export function writeControl(directory: string | undefined, file: string, text: string): boolean {
  if (directory === undefined) return false;
  try {
    writeFileSync(join(directory, file), text);
    return true;
  } catch {
    return false;
  }
}
