// Resource limits and freezing by cgroup: version 2 where it has the controllers, else version 1 (and hybrids).
// One group a session, named `cordon/<name>`, made before the session is known.
import { existsSync, mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import type { Limits } from '../model/mod.ts';
import { parseMountInfo } from './mount-table.ts';

const controllers = ['pids', 'memory', 'cpu', 'freezer'] as const;
type Controller = (typeof controllers)[number];

interface Hierarchy {
  readonly version: 1 | 2;
  /** Directory of the controller's hierarchy. */
  readonly roots: ReadonlyMap<Controller, string>;
}

/** Finds the hierarchies of this machine from mountinfo text (latin1). Throws when there is none that can limit. */
export function findHierarchy(mountInfo: string): Hierarchy {
  const table = parseMountInfo(mountInfo);
  for (const mount of table.filter((m) => m.type === 'cgroup2')) {
    const has = readFileSync(`${mount.target}/cgroup.controllers`, 'utf8').split(/\s+/);
    if (has.includes('pids') && has.includes('memory'))
      return { version: 2, roots: new Map(controllers.map((c) => [c, mount.target])) };
  }
  const roots = new Map<Controller, string>();
  for (const controller of controllers) {
    const mount = table.find(
      (m) => m.type === 'cgroup' && m.target.split('/').at(-1)?.split(',').includes(controller),
    );
    if (mount !== undefined) roots.set(controller, mount.target);
  }
  if (!roots.has('pids') || !roots.has('memory'))
    throw new Error('no cgroup hierarchy with pids and memory is mounted');
  return { version: 1, roots };
}

/** Of this machine, or, where it has none that can be used, one that limits nothing and says why. */
export function sessionCgroup(mountInfo: string, name: string): SessionCgroup {
  try {
    return new SessionCgroup(findHierarchy(mountInfo), name);
  } catch (error) {
    return new SessionCgroup({ version: 1, roots: new Map() }, name, (error as Error).message);
  }
}

export class SessionCgroup {
  /** Why there is no group; '' when there is one. */
  readonly lacking: string;
  private readonly hierarchy: Hierarchy;
  private readonly directories: ReadonlyMap<Controller, string>;
  constructor(hierarchy: Hierarchy, name: string, lacking = '') {
    this.lacking = lacking;
    this.hierarchy = hierarchy;
    this.directories = new Map([...hierarchy.roots].map(([c, root]) => [c, `${root}/cordon/${name}`]));
    if (hierarchy.version === 2) delegate(hierarchy.roots.get('pids') ?? '');
    for (const directory of new Set(this.directories.values())) mkdirSync(directory, { recursive: true });
  }
  get version(): 1 | 2 {
    return this.hierarchy.version;
  }
  private write(controller: Controller, file: string, value: string): void {
    const directory = this.directories.get(controller);
    if (directory !== undefined) writeFileSync(`${directory}/${file}`, value);
  }
  /** Tasks inside that are ours: pid 1 and, in version 1, the launch thread. */
  private get own(): number {
    return this.hierarchy.version === 2 ? 1 : 2;
  }
  /** Limits of everything inside, ours not counted. */
  limit(limits: Limits): void {
    const v2 = this.hierarchy.version === 2;
    this.write('pids', 'pids.max', String(limits.processes + this.own));
    if (limits.memory > 0)
      this.write('memory', v2 ? 'memory.max' : 'memory.limit_in_bytes', String(limits.memory));
    if (limits.cpuPercent > 0) {
      const quota = String(limits.cpuPercent * 1000);
      if (v2) this.write('cpu', 'cpu.max', `${quota} 100000`);
      else this.write('cpu', 'cpu.cfs_quota_us', quota);
    }
  }
  /** Version 1 only: one thread of ours, so that what it starts is born inside. Version 2 moves whole processes. */
  addThread(tid: number): void {
    if (this.hierarchy.version === 1)
      for (const directory of this.directories.values()) writeFileSync(`${directory}/tasks`, String(tid));
  }
  /** Version 2 only: pid 1 of the sandbox. In version 1 it was born inside. */
  addInit(pid: number): void {
    if (this.hierarchy.version === 2) this.addProcess(pid);
  }
  /** Puts a thread of ours back to where the supervisor lives. */
  releaseThread(tid: number): void {
    if (this.hierarchy.version === 1)
      for (const root of this.hierarchy.roots.values()) writeFileSync(`${root}/tasks`, String(tid));
  }
  /**
   * Version 2: a descriptor of cgroup.procs, through which the first process of the agent is put inside before its image
   * runs (who opened it counts, not who writes: kernel commit 1756d7994ad8). -1 in version 1.
   */
  openJoin(): number {
    const directory = this.directories.get('pids');
    return this.hierarchy.version === 1 || directory === undefined
      ? -1
      : openSync(`${directory}/cgroup.procs`, 'w');
  }
  /** True when the group is there and, in version 1, the thread is in it. */
  holds(tid: number): boolean {
    if (this.lacking !== '') return false;
    if (![...this.directories.values()].every((directory) => existsSync(directory))) return false;
    return (
      this.hierarchy.version === 2 ||
      readFileSync(`/proc/self/task/${tid}/cgroup`, 'utf8').includes('/cordon/')
    );
  }
  addProcess(pid: number): void {
    for (const directory of new Set(this.directories.values()))
      writeFileSync(`${directory}/cgroup.procs`, String(pid));
  }
  freeze(frozen: boolean): void {
    if (frozen && this.lacking !== '')
      throw new Error(`there is no control group to freeze: ${this.lacking}`);
    if (this.hierarchy.version === 2) this.write('freezer', 'cgroup.freeze', frozen ? '1' : '0');
    else this.write('freezer', 'freezer.state', frozen ? 'FROZEN' : 'THAWED');
  }
  /** True once every task inside stands still: freezing takes effect a moment after it was asked for. */
  frozen(): boolean {
    const directory = this.directories.get('freezer') ?? '';
    return this.hierarchy.version === 2
      ? /^frozen 1$/m.test(readFileSync(`${directory}/cgroup.events`, 'utf8'))
      : readFileSync(`${directory}/freezer.state`, 'utf8').trim() === 'FROZEN';
  }
  /** True when a limit was hit since the start: for the record. */
  hits(): readonly string[] {
    const events = `${this.directories.get('pids') ?? ''}/pids.events`;
    return existsSync(events) && /max [1-9]/.test(readFileSync(events, 'utf8')) ? ['processes'] : [];
  }
  /** Processes inside, ours among them. */
  members(): number[] {
    const list = `${this.directories.get('pids') ?? ''}/cgroup.procs`;
    return existsSync(list) ? readFileSync(list, 'utf8').split('\n').filter(Boolean).map(Number) : [];
  }
  /** Removes the group. Throws EBUSY while tasks are inside. */
  remove(): void {
    for (const directory of new Set(this.directories.values())) {
      try {
        rmdirSync(directory);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }
}

function delegate(root: string): void {
  for (const directory of [root, `${root}/cordon`]) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${directory}/cgroup.subtree_control`, '+pids +memory +cpu');
  }
}
