// The launch thread: takes on the sandbox itself, then starts the agent, which inherits it. Namespaces, Landlock and
// seccomp belong to a thread, so the rest of the supervisor stays outside.
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import {
  AuditGroup,
  E,
  Files,
  O,
  PermissionGroup,
  S,
  SyscallError,
  awaitAll,
  awaitExit,
  credentials,
  errnoName,
  landlock,
  mounts,
  processes,
  seccomp,
  sockets,
  spawnProgram,
  type Program,
} from '../../native-bindings/linux/mod.ts';
import {
  sessionCgroup,
  agentRules,
  assembleTree,
  confine,
  isWithin,
  loadPty,
  mountForSession,
  openTerminal,
  sealTree,
  startInit,
  type Terminal,
} from '../launcher/mod.ts';
import { toText } from '../model/mod.ts';
import { seccompProgram } from '../policy/seccomp/mod.ts';
import type {
  Confine,
  FromLaunchThread,
  LaunchThreadData,
  Prepared,
  Spawn,
  ToLaunchThread,
} from './messages.ts';

if (parentPort === null) throw new Error('the launch thread is a worker');
const port = parentPort;
const data = workerData as LaunchThreadData;
const say = (message: FromLaunchThread): void => port.postMessage(message);

const { CLONE } = mounts;
const { AF, SOCK } = sockets;
const group = new PermissionGroup(data.fanotify);
const audit = new AuditGroup(data.audit);
const files = new Files();
const program = seccompProgram(process.arch === 'arm64' ? 'aarch64' : 'x86_64');
const filter = new seccomp.Filter(program.instructions);
const landlockAbi = landlock.abi();
loadPty();

function listening(domain: number, address: Uint8Array, type: number): number {
  const fd = sockets.socket(domain, type | SOCK.CLOEXEC | SOCK.NONBLOCK);
  sockets.reuseAddress(fd);
  const result = sockets.bindTo(fd, address);
  if (result < 0) throw new Error(`cannot listen in the sandbox's network namespace: errno ${-result}`);
  if (type === SOCK.STREAM) sockets.listen(fd, 4096);
  return fd;
}

function prepareNetwork(): Pick<Prepared, 'listeners' | 'ports'> {
  sockets.loopbackUp();
  const tcp4 = listening(AF.INET, sockets.inet4([127, 0, 0, 1], 0), SOCK.STREAM);
  const tcp6 = listening(AF.INET6, sockets.inet6Loopback(0), SOCK.STREAM);
  const udp53 = listening(AF.INET, sockets.inet4([127, 0, 0, 1], 53), SOCK.DGRAM);
  const tcp53 = listening(AF.INET, sockets.inet4([127, 0, 0, 1], 53), SOCK.STREAM);
  return {
    listeners: { tcp4, tcp6, udp53, tcp53 },
    ports: { tcp4: sockets.localPort(tcp4), tcp6: sockets.localPort(tcp6) },
  };
}

function prepare(): void {
  const cgroup = sessionCgroup(readFileSync('/proc/self/mountinfo', 'latin1'), data.cgroup);
  cgroup.addThread(processes.gettid());
  mounts.unshare(CLONE.NEWNS | CLONE.NEWNET | CLONE.NEWIPC | CLONE.NEWUTS | CLONE.NEWCGROUP);
  mounts.setHostname('cordon');
  assembleTree(data.stage, data.tmpBytes);
  const network = prepareNetwork();
  mounts.unshare(CLONE.NEWPID);
  const init = startInit();
  init.process.unref();
  sealTree();
  rehearse();
  say({
    type: 'prepared',
    tid: processes.gettid(),
    initPid: init.pid,
    memfdNoexec: init.memfdNoexec,
    landlockAbi,
    ...network,
  });
}

/** Once through what a launch does, so that the first real one finds code compiled and pages in memory. */
function rehearse(): void {
  const nothing = files.open('/dev/null', O.RDWR | O.CLOEXEC);
  const pid = spawnProgram({
    file: '/bin/true',
    argv: ['true'],
    environment: ['A=1'],
    stdio: [nothing, nothing, nothing],
    newSession: true,
    uid: 65534,
    gid: 65534,
  });
  if (pid > 0) awaitExit(pid);
  files.close(nothing);
}

/** Descriptors are opened before the marks: what is opened on a watched mount is asked about. */
function watch(paths: readonly string[]): (readonly [string, number])[] {
  const byFsid = new Map<string, number>();
  for (const path of paths) {
    const fd = files.open(path, O.RDONLY | O.CLOEXEC | O.NONBLOCK);
    const fsid = fd < 0 ? '' : files.fsid(fd);
    if (fsid === '' || byFsid.has(fsid)) files.close(fd);
    else byFsid.set(fsid, fd);
  }
  const dropped: string[] = [];
  const watched = paths.filter((path) => isWatched(path, dropped));
  const audited = watched.map((path) => audit.markMount(path));
  return audited.every(Boolean) ? [...byFsid] : [];
}

/**
 * A file system of a user's own lets nobody else look at it, root neither (FUSE without allow_other). What cannot be watched
 * is taken out of the tree, with all that is mounted in it; what it lay over is there again, and watched. False: nothing is.
 */
function isWatched(path: string, dropped: string[]): boolean {
  try {
    group.markMount(path);
    return true;
  } catch (error) {
    const errno = error instanceof SyscallError ? error.errno : 0;
    if (errno === E.NOENT && dropped.some((outer) => isWithin(path, outer))) return false;
    if (errno !== E.ACCES) throw error;
  }
  mounts.detach(path);
  dropped.push(path);
  return isWatched(path, dropped);
}

let terminal: Terminal | undefined;

function takeOn(order: Confine): void {
  const decoys = mountForSession(order);
  for (const path of decoys) group.markMount(path);
  if (order.hidden !== undefined) audit.markMount(order.hidden.path);
  const fifos = order.fifos.filter((path) => files.fstatat(-100, path, 0) !== undefined);
  if (order.terminal !== undefined)
    terminal = openTerminal(order.terminal.columns, order.terminal.rows, order.uid);
  // What our own parents left open for us (a service manager, a shell) is not for the agent.
  processes.closeOnExecFrom(3);
  rehearseLocate(order);
  const { listener, landlockHolds } = confine({ landlockAbi, rules: agentRules(fifos), filter });
  say({ type: 'confined', listener, terminal, landlock: landlockHolds });
}

/** PATH search as execvp(3) does it, in the sandbox's tree, with the agent's rights. Throws ENOENT or EACCES. */
function locate({ argv, environment, cwd, uid, gid }: Spawn): string {
  const command = argv[0] ?? '';
  const path = environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  const candidates = command.includes('/')
    ? [command.startsWith('/') ? command : `${cwd}/${command}`]
    : path.split(':').map((directory) => `${directory || cwd}/${command}`);
  return credentials.asUser(uid, gid, () => {
    const there = candidates.filter(isFile);
    const found = there.find((file) => files.executable(file));
    if (found !== undefined) return found;
    const denied = there.length > 0;
    throw Object.assign(new Error(denied ? 'is not executable' : 'was not found'), {
      code: denied ? 'EACCES' : 'ENOENT',
    });
  });
}
const isFile = (path: string): boolean => ((files.fstatat(-100, path, 0)?.mode ?? 0) & S.IFMT) === S.IFREG;

/** So that the first real search finds its code compiled; what it finds does not matter. */
function rehearseLocate({ uid, gid }: Confine): void {
  try {
    locate({
      type: 'spawn',
      argv: ['true'],
      environment: {},
      cwd: '/',
      uid,
      gid,
      stdio: [0, 1, 2],
      terminal: false,
      umask: 0o077,
    });
  } catch {
    // There is no true(1) here.
  }
}

/** What runs: a session with a terminal gets a leader, setsid(1), that makes the terminal its own and becomes the command. */
function imageOf({ argv, terminal }: Spawn, file: string): Pick<Program, 'file' | 'argv'> {
  if (!terminal) return { file, argv };
  return { file: '/usr/bin/setsid', argv: ['setsid', '--ctty', file, ...argv.slice(1)] };
}

/** As execvp(3) does, what is neither binary nor has an interpreter is a script of the shell's. Throws when nothing runs. */
function startProgram(program: Program): number {
  const pid = spawnProgram(program);
  if (pid !== -E.NOEXEC) return checked(pid);
  const argv = ['/bin/sh', program.file, ...program.argv.slice(1)];
  return checked(spawnProgram({ ...program, file: '/bin/sh', argv }));
}
function checked(pid: number): number {
  if (pid > 0) return pid;
  throw notStarted(errnoName(-pid), 'could not be started');
}
const notStarted = (code: string, what: string): Error =>
  Object.assign(new Error(`${what}: ${code}`), { code });

function enter(directory: string): void {
  const result = mounts.enterDirectory(directory);
  if (result < 0)
    throw notStarted(errnoName(-result), `could not be started in the directory ${toText(directory)}`);
}

function start(order: Spawn): number {
  const { uid, gid, stdio } = order;
  const file = locate(order);
  // The terminal's two ends, and whatever whoever started us left open: the agent gets 0, 1 and 2.
  processes.closeOnExecFrom(3);
  enter(order.cwd);
  files.umask(order.umask);
  const environment = Object.entries(order.environment).map(([name, value]) => `${name}=${value}`);
  const newSession = !order.terminal;
  return startProgram({ ...imageOf(order, file), environment, stdio, newSession, uid, gid });
}

/** From here on there is nothing that this thread is to do but to wait for the command's end, and for what it made ours. */
function run(order: Spawn): void {
  let pid: number;
  try {
    pid = start(order);
  } catch (error) {
    const { code = 'EIO', message } = error as NodeJS.ErrnoException;
    const command = toText(order.argv[0] ?? '');
    say({ type: 'not-started', code, message: `${command} ${message}` });
    return;
  }
  say({ type: 'spawned', pid });
  awaitAll((child, ended) => {
    if (child === pid) say({ type: 'exited', ...ended });
  });
}

function handle(message: ToLaunchThread): void {
  switch (message.type) {
    case 'mark':
      say({ type: 'marked', auditMounts: watch(message.paths) });
      return;
    case 'confine':
      takeOn(message);
      return;
    case 'spawn':
      run(message);
      return;
  }
}

port.on('message', (message: ToLaunchThread) => {
  try {
    handle(message);
  } catch (error) {
    say({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
});

try {
  prepare();
} catch (error) {
  say({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
}
