// What the supervisor does with other processes: hold and end them, be them, and reach into them.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fstatSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { SessionCgroup, findHierarchy } from '../../launcher/mod.ts';
import { E, Files, O, credentials, errnoName, processes } from '../../../native-bindings/linux/mod.ts';
import { fail, ok } from './probe.ts';
import type { Finding, Probe, ProbeContext } from './probe.ts';

/** nobody: a user that owns nothing. */
const nobody = 65534;

/** A process to act on. It does nothing, and ends with us. */
function sleeper(): ChildProcess & { readonly pid: number } {
  const child = spawn('/bin/sleep', ['60'], { stdio: ['pipe', 'ignore', 'ignore'], env: {} });
  if (child.pid === undefined) throw new Error('/bin/sleep could not be started: is coreutils installed?');
  return child as ChildProcess & { readonly pid: number };
}

async function ends(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

const membership = (pid: number): string => readFileSync(`/proc/${pid}/cgroup`, 'latin1');

async function tryCgroup(): Promise<Finding> {
  const hierarchy = findHierarchy(readFileSync('/proc/self/mountinfo', 'latin1'));
  const name = `doctor-${process.pid}`;
  const group = new SessionCgroup(hierarchy, name);
  const child = sleeper();
  try {
    group.limit({ processes: 16, memory: 64 * 1024 * 1024, cpuPercent: 100, wall: 0 });
    group.addProcess(child.pid);
    if (!membership(child.pid).includes(name)) return fail('a process did not move into its group');
    group.freeze(true);
    const frozen = await becomesFrozen(group);
    // A frozen process dies only once it is thawed in version 1; in version 2 at once. Kill first: it must not run.
    child.kill('SIGKILL');
    group.freeze(false);
    await ends(child);
    if (!frozen) return fail('a group did not freeze');
    return ok(`version ${group.version}: a process was limited, frozen and ended in a group of its own`);
  } finally {
    child.kill('SIGKILL');
    await ends(child);
    group.remove();
  }
}

/** Asked for at most two seconds: freezing takes effect a moment after it was asked for. */
async function becomesFrozen(group: SessionCgroup): Promise<boolean> {
  for (let round = 0; round < 100; round++) {
    if (group.frozen()) return true;
    await after(20);
  }
  return false;
}

function tryIdentity({ stage }: ProbeContext): Finding {
  const { stdout, error } = spawnSync('/usr/bin/id', ['-u'], {
    uid: nobody,
    gid: nobody,
    env: {},
    encoding: 'utf8',
  });
  if (error !== undefined) return fail(`a process could not be started as user ${nobody}: ${error.message}`);
  if (stdout.trim() !== String(nobody))
    return fail(`a process meant to run as ${nobody} ran as '${stdout.trim()}'`);
  const secret = `${stage}/root-only`;
  writeFileSync(secret, '', { mode: 0o600 });
  credentials.actAs(nobody, nobody);
  const opened = new Files().open(secret, O.RDONLY | O.CLOEXEC);
  if (opened !== -E.ACCES) return fail("a file of root's could be opened with the agent's identity");
  return ok('processes and file access take on the identity of a user');
}

async function tryPidfd(): Promise<Finding> {
  const child = sleeper();
  try {
    const pidfd = processes.pidfdOpen(child.pid);
    if (pidfd < 0) return fail(`pidfd_open: ${errnoName(-pidfd)}`);
    const theirs = processes.pidfdGetfd(pidfd, 0);
    if (theirs < 0) return fail(`pidfd_getfd: ${errnoName(-theirs)}`);
    const kind = fstatSync(theirs);
    if (!kind.isSocket() && !kind.isFIFO()) return fail('pidfd_getfd returned another descriptor');
    const memory = new processes.RemoteMemory();
    const found = memory.read(child.pid, stackOf(child.pid), 16);
    if (found === undefined) return fail('process_vm_readv: the memory of a process cannot be read');
    return ok('a descriptor was taken from, and memory read of, another process');
  } finally {
    child.kill('SIGKILL');
    await ends(child);
  }
}

/** First address of the process's stack mapping. */
function stackOf(pid: number): number {
  const maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
  return Number(`0x${/^([0-9a-f]+)-[0-9a-f]+ .*\[stack\]$/m.exec(maps)?.[1] ?? '0'}`);
}

export const processProbes: readonly Probe[] = [
  {
    name: 'cgroup',
    fix: 'mount cgroup v2 (or v1 with pids, memory and freezer), writable for cordond; in a unit: Delegate=yes',
    run: tryCgroup,
  },
  { name: 'identity', fix: 'run cordond as root with CAP_SETUID and CAP_SETGID', run: tryIdentity },
  {
    name: 'process-access',
    fix: 'run cordond with CAP_SYS_PTRACE on Linux 5.6 or later, and Yama below 3',
    run: tryPidfd,
  },
];
