// The launch thread: takes on the sandbox itself, then starts the agent, which inherits it. Namespaces, Landlock and
// seccomp belong to a thread, so the rest of the supervisor stays outside.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import {
  AuditGroup,
  Files,
  O,
  PermissionGroup,
  S,
  credentials,
  landlock,
  mounts,
  processes,
  seccomp,
  sockets,
} from '../../native-bindings/linux/mod.ts';
import {
  SessionCgroup,
  agentRules,
  assembleTree,
  confine,
  findHierarchy,
  loadPty,
  mountForSession,
  openTerminal,
  sealTree,
  startInit,
  type Terminal,
} from '../launcher/mod.ts';
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
warmSpawn();

/** Loads everything that spawn() loads on first use, while files can still be read. */
function warmSpawn(): void {
  spawn('/bin/true', { stdio: 'ignore' }).on('error', () => undefined);
}

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
  const cgroup = new SessionCgroup(
    findHierarchy(readFileSync('/proc/self/mountinfo', 'latin1')),
    data.cgroup,
  );
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
  spawn('/bin/true', { stdio: 'ignore', uid: 65534, gid: 65534, cwd: '/', env: {} }).on(
    'error',
    () => undefined,
  );
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
  const audited = paths.map((path) => audit.markMount(path));
  for (const path of paths) group.markMount(path);
  return audited.every(Boolean) ? [...byFsid] : [];
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
  const bytes = (text: string): string => Buffer.from(text, 'utf8').latin1Slice();
  return credentials.asUser(uid, gid, () => {
    const there = candidates.filter((file) => isFile(bytes(file)));
    const found = there.find((file) => files.executable(bytes(file)));
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
    });
  } catch {
    // There is no true(1) here.
  }
}

function start(order: Spawn): void {
  try {
    const [command = '', ...args] = order.argv;
    const file = locate(order);
    // The terminal's two ends, and whatever whoever started us left open: the agent gets 0, 1 and 2.
    processes.closeOnExecFrom(3);
    const direct = { file, args, argv0: command };
    // A session leader with the terminal as its own: setsid(1) does both and becomes the command.
    const {
      file: image,
      args: words,
      argv0,
    } = order.terminal
      ? { file: '/usr/bin/setsid', args: ['--ctty', file, ...args], argv0: 'setsid' }
      : direct;
    const child = spawn(image, words, {
      argv0,
      cwd: order.cwd,
      env: order.environment,
      uid: order.uid,
      gid: order.gid,
      stdio: [...order.stdio],
      detached: !order.terminal, // a session and process group of its own; with a terminal, setsid(1) makes them
    });
    child.on('error', (error: NodeJS.ErrnoException) =>
      say({ type: 'not-started', code: error.code ?? 'EIO', message: error.message }),
    );
    child.on('exit', (code, signal) => say({ type: 'exited', code, signal }));
    if (child.pid !== undefined) say({ type: 'spawned', pid: child.pid });
  } catch (error) {
    const known = error as NodeJS.ErrnoException;
    say({
      type: 'not-started',
      code: known.code ?? 'EIO',
      message: `${order.argv[0] ?? ''} ${known.message}`,
    });
  }
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
      start(message);
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
