// Entry of the notify thread: seccomp user notifications of one session. Before it serves, the thread moves into a copy
// of the sandbox's mount namespace in which only the plan's writable places are writable, takes on the agent's identity,
// and gives up every capability but the one to look at the agent's processes.
import { readFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import {
  AT,
  AuditGroup,
  Files,
  PermissionGroup,
  credentials,
  mounts,
  processes,
  procfs,
  seccomp,
} from '../../native-bindings/linux/mod.ts';
import { bringIn, isWithin, parseMountInfo, privateWritable } from '../launcher/mod.ts';
import { judgeGitConfig } from '../decision/git-config.ts';
import { normalise, type Decide, type SyscallEntry } from '../model/mod.ts';
import { decide } from '../monitor/mod.ts';
import { notifyLookup, seccompProgram } from '../policy/seccomp/mod.ts';
import {
  BoundSockets,
  ControlSockets,
  EgressLink,
  ExecMediator,
  ImageDigests,
  LateOutcomes,
  ProcessReader,
  Remembering,
  Resolver,
  TaskHandles,
  serveNotifications,
  type Egress,
  type JournalWriter,
  type Mediation,
} from '../supervisor/mod.ts';
import { deciderOf, journalOf, portOfWorker, sayTo, waiting } from './mediation-thread.ts';
import { rehearse } from './rehearsal.ts';
import { hasEnded, isAskedToEnd } from './thread-end.ts';
import type { BeginNotify, MediationThreadData, ToMediationThread } from './messages.ts';

const data = workerData as MediationThreadData;
const port = portOfWorker();
const say = sayTo(port);
const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const program = seccompProgram(arch);
const lookup = notifyLookup(arch);
/** Refusals are looked up with their arguments: the reason depends on them. */
const direct = new Map<number, SyscallEntry>(
  [...program.notify].filter(([, entry]) => entry.kind !== 'deny'),
);

/** Writable places of the mediator's own tree; returns them. A place that is not there (yet) cannot be made writable. */
function openWritable(files: Files, writable: readonly string[]): string[] {
  if (writable.includes('/')) return openEverything();
  const places = writable.filter((place) => files.fstatat(-100, place, 0) !== undefined);
  for (const place of places) mounts.bind(place, place, true);
  const all = [...privateWritable, ...places];
  for (const place of all) mounts.setAttributes(place, 0, mounts.MOUNT_ATTR.RDONLY);
  return all;
}

/** Monitor mode: every mount of the tree but the kernel's own. What was read-only on the machine stays so. */
function openEverything(): string[] {
  // Our working directory is the machine's /proc, where this thread is to be seen.
  const places = parseMountInfo(readFileSync('thread-self/mountinfo', 'latin1'))
    .filter(({ target, type }) => !kernelTypes.has(type) && !isKernels(target))
    .map(({ target }) => target);
  for (const place of new Set(places)) mounts.setAttributes(place, 0, mounts.MOUNT_ATTR.RDONLY);
  return [...new Set(places)];
}
const kernelTypes = new Set([
  'proc',
  'sysfs',
  'devpts',
  'devtmpfs',
  'cgroup',
  'cgroup2',
  'mqueue',
  'bpf',
  'tracefs',
]);
const isKernels = (target: string): boolean =>
  ['/proc', '/sys', '/run/cordon'].some((place) => isWithin(target, place)) || target === '/dev';

/**
 * A descriptor that was handed over for writing lies on one of these mounts, and can be opened anew for reading through
 * /proc/self/fd: that open is asked about like every other.
 */
function watch(places: readonly string[]): void {
  const [group, audit] = [new PermissionGroup(data.fanotify), new AuditGroup(data.audit)];
  for (const place of places) {
    group.markMount(place);
    audit.markMount(place);
  }
}

/** Before the session is known: a copy of the sandbox's tree, in which nothing is executable. */
function enter(mountNamespace: number): void {
  mounts.unshare(mounts.CLONE.FS);
  mounts.setns(mountNamespace, mounts.CLONE.NEWNS);
  mounts.unshare(mounts.CLONE.NEWNS);
  mounts.mount('none', '/', null, mounts.MS.REC | mounts.MS.PRIVATE);
  // What is opened here for the agent must not become a way to run what the open thread never saw.
  mounts.setAttributes('/', mounts.MOUNT_ATTR.NOEXEC, 0, true);
  mounts.changeDirectory(data.proc);
}

/** The session's writable places; then the agent's identity, and no capability but to look at the agent's processes. */
function moveIn(begin: BeginNotify, files: Files): void {
  if (begin.agentSocket >= 0) mounts.moveMount(begin.agentSocket, '/run/cordon');
  const { hidden } = begin;
  if (hidden !== undefined) bringIn(files, hidden);
  // It is a mount of its own: writable where the place around it is.
  const around = hidden !== undefined && begin.writable.some((place) => isWithin(hidden.path, place));
  const writable = openWritable(files, around ? [...begin.writable, hidden.path] : begin.writable);
  for (const place of begin.sealed) {
    if (files.fstatat(-100, place, AT.SYMLINK_NOFOLLOW) === undefined) continue;
    mounts.bind(place, place, true);
    mounts.setAttributes(place, mounts.MOUNT_ATTR.RDONLY | mounts.MOUNT_ATTR.NOEXEC, 0, false);
  }
  for (const place of writable) mounts.setAttributes(place, mounts.MOUNT_ATTR.NOEXEC, 0, false);
  watch(writable);
  credentials.actAs(begin.uid, begin.gid);
  credentials.keepCapabilities(begin.joinCgroup < 0 ? lookOnly : lookAndJoin);
}

const { CAP } = credentials;
const lookOnly = [CAP.SYS_PTRACE];
/**
 * What posix_spawn(3) is about to start has root for its saved id still, and more capabilities than we: moving it to a group
 * with a cpuset needs SYS_NICE then (cpuset_can_attach(), cap_task_setscheduler()).
 */
const lookAndJoin = procfs.hasCapability(CAP.SYS_NICE) ? [...lookOnly, CAP.SYS_NICE] : lookOnly;

/** The first exec of a session is the agent's own: its process waits for our answer, outside its cgroup until then. */
function joinOnce(files: Files, procs: number): (pid: number) => boolean {
  let joined = procs < 0;
  return (pid) => {
    if (joined) return true;
    joined = files.writeAll(procs, `${pid}`);
    if (joined) {
      files.close(procs);
      credentials.keepCapabilities(lookOnly);
    }
    return joined;
  };
}

/** Where sockets are the sandbox's own, and where a name that the machine has may be missing. */
const scratchPlaces = ['/tmp', '/var/tmp', '/dev/shm'];
const hidingPlaces = [...scratchPlaces, '/dev', '/run', '/var/run', '/sys', '/proc'];
const within = (path: string, places: readonly string[]): boolean =>
  places.some((place) => isWithin(normalise(path), place));

/** In our copy of the sandbox's tree, after the session's places were made. */
function privateDevices(files: Files): Set<number> {
  const stats = privateWritable.map((place) => files.fstatat(AT.FDCWD, place, 0));
  return new Set(stats.filter((stat) => stat !== undefined).map(({ dev }) => dev));
}

/** By the root of the thread group's leader, which is the machine's, and with the agent's rights. Nothing is opened there. */
function isOnlyOutside(files: Files, path: string): boolean {
  if (!path.startsWith('/') || !within(path, hidingPlaces)) return false;
  const there = files.fstatat(data.proc, `${process.pid}/root${normalise(path)}`, AT.SYMLINK_NOFOLLOW);
  return there !== undefined && files.fstatat(AT.FDCWD, path, AT.SYMLINK_NOFOLLOW) === undefined;
}

const MAX_KEYS = 4096;
function firstTime(): (key: string) => boolean {
  const seen = new Set<string>();
  return (key) => {
    if (seen.has(key)) return false;
    if (seen.size >= MAX_KEYS) seen.clear();
    seen.add(key);
    return true;
  };
}

interface Session {
  readonly mediation: Mediation;
  readonly egress: Egress | undefined;
  readonly journal: JournalWriter;
  readonly outcomes: LateOutcomes;
  readonly terminal: boolean;
}

function sessionOf(begin: BeginNotify, listenerFd: number, landlock: boolean): Session {
  const files = new Files(data.proc);
  const reader = new ProcessReader(files, data.proc);
  const journal = journalOf(begin);
  const outcomes = new LateOutcomes(journal);
  const listener = new seccomp.Listener(listenerFd);
  const group = new PermissionGroup(data.fanotify);
  const remembering = new Remembering(begin.shared);
  listener.syncWakeUp();
  /** What was read from a task's memory counts only while that task still waits on that call. */
  const decideIfWaiting: Decide = (...args) =>
    listener.stillValid()
      ? decide(...args)
      : { granted: false, record: undefined, reason: 'the task is gone' };
  const mediation: Mediation = {
    listener,
    memory: new processes.RemoteMemory(),
    files,
    proc: data.proc,
    reader,
    tasks: new TaskHandles(),
    resolver: new Resolver(files, data.proc, reader),
    journal: outcomes,
    decider: deciderOf(begin.capabilitySet, begin.terminal),
    mode: begin.capabilitySet.mode,
    never: new Set(begin.never),
    neverExec: new Set(begin.neverExec),
    joinCgroup: joinOnce(files, begin.joinCgroup),
    images: new ImageDigests(files, (image) => say({ type: 'hash', ...image })),
    boundHere: new BoundSockets(files, privateDevices(files)),
    controlSockets: new ControlSockets(begin.control.directory, begin.control.ids),
    isScratch: (path) => within(path, scratchPlaces),
    isNew: firstTime(),
    landlock,
    onlyOutside: (path) => isOnlyOutside(files, path),
    workspace: begin.workspace,
    uid: begin.uid,
    gid: begin.gid,
    decide: decideIfWaiting,
    forgetReads: () => group.flush(),
    whileAllIsAsked: (effect) =>
      remembering.make(() => {
        group.flush();
        return effect();
      }),
    judgeGitConfig,
  };
  const e = begin.egress;
  const egress =
    e === undefined ? undefined : { port4: e.port4, port6: e.port6, link: new EgressLink(e.flows) };
  return { mediation, egress, journal, outcomes, terminal: begin.terminal };
}

function replacePolicy(session: Session, message: Extract<ToMediationThread, { type: 'policy' }>): void {
  const { capabilitySet } = message;
  session.journal.mode = capabilitySet.mode;
  session.journal.generation = capabilitySet.generation;
  session.mediation.decider = deciderOf(capabilitySet, session.terminal);
  session.mediation.mode = capabilitySet.mode;
  say({ type: 'policy-in-force', generation: capabilitySet.generation });
}

function serve(begin: BeginNotify, listenerFd: number, landlock: boolean): void {
  const session = sessionOf(begin, listenerFd, landlock);
  serveNotifications({
    mediation: session.mediation,
    mediators: { exec: new ExecMediator(session.mediation), egress: session.egress },
    lookup,
    direct,
    nativeArch: program.auditArch,
    wake: data.wake,
    settle: () => session.outcomes.settle(),
    onWake: () => {
      if (isAskedToEnd(data.end)) return false;
      for (const message of waiting(port)) {
        if (message.type === 'policy') replacePolicy(session, message);
        if (message.type === 'digest') session.mediation.images.learn(message.key, message.sha256);
      }
      return true;
    },
  });
}

let begun: BeginNotify | undefined;
port.on('message', (message: ToMediationThread) => {
  try {
    if (message.type === 'enter') {
      enter(message.mountNamespace);
      rehearse(data.proc);
      say({ type: 'entered' });
    } else if (message.type === 'begin') {
      begun = message as BeginNotify;
      moveIn(begun, new Files(data.proc));
      say({ type: 'begun', tid: processes.gettid() });
    } else if (message.type === 'serve' && begun !== undefined) {
      serve(begun, message.listener, message.landlock);
      hasEnded(data.end);
      port.close(); // when it was not asked to, that ends the session
    }
  } catch (error) {
    say({ type: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    port.close(); // and with it this thread ends, which ends the session: nothing goes on unmediated
  }
});
say({ type: 'ready' });
