// From a notification to its handler: one table of calls, each with the places of its arguments. Strings are copied
// once; an unreadable one fails as the kernel would have it.
import { AT, E, O, type seccomp } from '../../native-bindings/linux/mod.ts';
import type { SyscallEntry } from '../model/mod.ts';
import type { ExecMediator } from './exec.ts';
import { continues, fails, refusal, type Answer, type Mediation } from './mediation.ts';
import * as attributes from './attributes.ts';
import * as mutations from './mutations.ts';
import type { Mutation } from './permit.ts';
import { MSG_FASTOPEN, mediateConnect, mediateSend, type Egress } from './network.ts';
import { mediateOpen, mediateOpenHow } from './open.ts';
import { aimsAt, asksForNamespaces } from './processes.ts';
import { mediateAccess } from './access.ts';
import { readAddress } from './socket-call.ts';
import { mediateBind } from './unix-sockets.ts';
import { mediateWatch } from './watch.ts';

const PATH_MAX = 4095;

/** One notification, with its reading of the task's memory. */
export class Call {
  readonly m: Mediation;
  readonly listener: seccomp.Listener;
  readonly pid: number;
  constructor(m: Mediation) {
    this.m = m;
    this.listener = m.listener;
    this.pid = m.listener.pid;
  }
  int(index: number): number {
    return this.listener.argInt(index);
  }
  number(index: number): number {
    return this.listener.arg(index);
  }
  /** A path argument. Throws Unreadable: EFAULT or ENAMETOOLONG. */
  path(index: number): string {
    return this.text(index, PATH_MAX);
  }
  text(index: number, max: number): string {
    const text = this.m.memory.string(this.pid, this.number(index), max);
    if (text === undefined) throw new Unreadable(E.FAULT);
    if (text === null) throw new Unreadable(E.NAMETOOLONG);
    return text;
  }
  bytes(index: number, length: number): Buffer {
    const bytes = this.m.memory.read(this.pid, this.number(index), length);
    if (bytes === undefined) throw new Unreadable(E.FAULT);
    return bytes;
  }
}

export class Unreadable extends Error {
  readonly errno: number;
  constructor(errno: number) {
    super('an argument of the call cannot be read');
    this.errno = errno;
  }
}

type Handler = (call: Call) => Answer;

const open =
  (dirfd: (c: Call) => number, path: number, flags: (c: Call) => number, mode: number): Handler =>
  (c) =>
    mediateOpen(c.m, { pid: c.pid, dirfd: dirfd(c), path: c.path(path), flags: flags(c), mode: c.int(mode) });
const cwd = (): number => AT.FDCWD;

/** struct open_how (openat2(2)): flags u64, mode u64, resolve u64. Copied once. */
function openHow(c: Call): { readonly flags: number; readonly mode: number } {
  if (c.number(3) < 24) throw new Unreadable(E.INVAL);
  const how = c.bytes(2, 24);
  return { flags: how.readInt32LE(0), mode: how.readInt32LE(8) };
}

/** timespec[2] from timeval[2] (microseconds) at argument `index`; undefined for NULL. */
function timevals(c: Call, index: number): Uint8Array | undefined {
  if (c.number(index) === 0) return undefined;
  const bytes = c.bytes(index, 32);
  bytes.writeBigInt64LE(bytes.readBigInt64LE(8) * 1000n, 8);
  bytes.writeBigInt64LE(bytes.readBigInt64LE(24) * 1000n, 24);
  return bytes;
}
/** timespec[2] from struct utimbuf (seconds). */
function utimbuf(c: Call, index: number): Uint8Array | undefined {
  if (c.number(index) === 0) return undefined;
  const from = c.bytes(index, 16);
  const bytes = Buffer.alloc(32);
  bytes.writeBigInt64LE(from.readBigInt64LE(0), 0);
  bytes.writeBigInt64LE(from.readBigInt64LE(8), 16);
  return bytes;
}
const timespecs = (c: Call, index: number): Uint8Array | undefined =>
  c.number(index) === 0 ? undefined : c.bytes(index, 32);

const mutation = (c: Call, operation: string): Mutation => ({ pid: c.pid, operation });
/** Path of an *at call that may be empty with AT_EMPTY_PATH (then the descriptor itself is meant). */
function atPath(c: Call, path: number, flags: number): string {
  const text = c.path(path);
  if (text === '' && (flags & AT.EMPTY_PATH) === 0) throw new Unreadable(E.NOENT);
  return text;
}
const XATTR_NAME_MAX = 255;
const XATTR_SIZE_MAX = 65536;

type Named = (c: Call) => { readonly dirfd: number; readonly path: string };
const byName: Named = (c) => ({ dirfd: AT.FDCWD, path: c.path(0) });
const byDescriptor: Named = (c) => ({ dirfd: c.int(0), path: '' });

function attribute(c: Call, follow: boolean, named: Named = byName): Answer {
  const size = c.number(3);
  if (size > XATTR_SIZE_MAX) return fails(7); // E2BIG
  const value = size === 0 ? Buffer.alloc(0) : c.bytes(2, size);
  const change = { name: c.text(1, XATTR_NAME_MAX), value, flags: c.int(4) };
  const { dirfd, path } = named(c);
  return attributes.changeAttribute(c.m, mutation(c, 'setxattr'), dirfd, path, change, follow);
}
function removeAttribute(c: Call, follow: boolean, named: Named = byName): Answer {
  const change = { name: c.text(1, XATTR_NAME_MAX), value: undefined, flags: 0 };
  const { dirfd, path } = named(c);
  return attributes.changeAttribute(c.m, mutation(c, 'removexattr'), dirfd, path, change, follow);
}
/** futimens(3) is utimensat(2) with a NULL path. */
const timesPath = (c: Call): string => (c.number(1) === 0 ? '' : atPath(c, 1, c.int(3)));

const rename = (c: Call, od: number, o: string, nd: number, n: string, flags: number): Answer =>
  mutations.rename(c.m, mutation(c, 'rename'), [od, o], [nd, n], flags);

const asks = (c: Call, dirfd: number, path: string, mode: number, flags: number): Answer =>
  path === '' && (flags & AT.EMPTY_PATH) === 0
    ? fails(E.NOENT)
    : mediateAccess(c.m, { pid: c.pid, dirfd, path, mode, follow: (flags & AT.SYMLINK_NOFOLLOW) === 0 });

const handlers: Readonly<Record<string, Handler>> = {
  open: open(cwd, 0, (c) => c.int(1), 2),
  openat: open(
    (c) => c.int(0),
    1,
    (c) => c.int(2),
    3,
  ),
  access: (c) => asks(c, AT.FDCWD, c.path(0), c.int(1), 0),
  faccessat: (c) => asks(c, c.int(0), c.path(1), c.int(2), 0),
  faccessat2: (c) => asks(c, c.int(0), atPath(c, 1, c.int(3)), c.int(2), c.int(3)),
  openat2: (c) => mediateOpenHow(c.m, { pid: c.pid, dirfd: c.int(0), path: c.path(1), ...openHow(c) }),
  inotify_add_watch: (c) => mediateWatch(c.m, { pid: c.pid, fd: c.int(0), path: c.path(1), mask: c.int(2) }),
  creat: open(cwd, 0, () => O.WRONLY | O.CREAT | O.TRUNC, 1),
  mkdir: (c) => mutations.makeDirectory(c.m, mutation(c, 'mkdir'), AT.FDCWD, c.path(0), c.int(1)),
  mkdirat: (c) => mutations.makeDirectory(c.m, mutation(c, 'mkdir'), c.int(0), c.path(1), c.int(2)),
  rmdir: (c) => mutations.remove(c.m, mutation(c, 'rmdir'), AT.FDCWD, c.path(0), AT.REMOVEDIR),
  unlink: (c) => mutations.remove(c.m, mutation(c, 'unlink'), AT.FDCWD, c.path(0), 0),
  unlinkat: (c) =>
    mutations.remove(
      c.m,
      mutation(c, (c.int(2) & AT.REMOVEDIR) === 0 ? 'unlink' : 'rmdir'),
      c.int(0),
      c.path(1),
      c.int(2),
    ),
  rename: (c) => rename(c, AT.FDCWD, c.path(0), AT.FDCWD, c.path(1), 0),
  renameat: (c) => rename(c, c.int(0), c.path(1), c.int(2), c.path(3), 0),
  renameat2: (c) => rename(c, c.int(0), c.path(1), c.int(2), c.path(3), c.int(4)),
  link: (c) => mutations.link(c.m, mutation(c, 'link'), [AT.FDCWD, c.path(0)], [AT.FDCWD, c.path(1)], false),
  linkat: (c) =>
    mutations.link(
      c.m,
      mutation(c, 'link'),
      [c.int(0), atPath(c, 1, c.int(4))],
      [c.int(2), c.path(3)],
      (c.int(4) & AT.SYMLINK_FOLLOW) !== 0,
    ),
  symlink: (c) => mutations.symlink(c.m, mutation(c, 'symlink'), c.path(0), AT.FDCWD, c.path(1)),
  symlinkat: (c) => mutations.symlink(c.m, mutation(c, 'symlink'), c.path(0), c.int(1), c.path(2)),
  mknod: (c) => mutations.makeNode(c.m, mutation(c, 'mknod'), AT.FDCWD, c.path(0), c.int(1)),
  mknodat: (c) => mutations.makeNode(c.m, mutation(c, 'mknod'), c.int(0), c.path(1), c.int(2)),
  truncate: (c) => mutations.truncate(c.m, mutation(c, 'truncate'), c.path(0), c.listener.argBig(1)),
  chmod: (c) => attributes.changeMode(c.m, mutation(c, 'chmod'), AT.FDCWD, c.path(0), c.int(1), true),
  fchmodat: (c) => attributes.changeMode(c.m, mutation(c, 'chmod'), c.int(0), c.path(1), c.int(2), true),
  fchmodat2: (c) =>
    attributes.changeMode(
      c.m,
      mutation(c, 'chmod'),
      c.int(0),
      atPath(c, 1, c.int(3)),
      c.int(2),
      (c.int(3) & AT.SYMLINK_NOFOLLOW) === 0,
    ),
  chown: (c) =>
    attributes.changeOwner(c.m, mutation(c, 'chown'), AT.FDCWD, c.path(0), c.int(1), c.int(2), true),
  lchown: (c) =>
    attributes.changeOwner(c.m, mutation(c, 'chown'), AT.FDCWD, c.path(0), c.int(1), c.int(2), false),
  fchownat: (c) =>
    attributes.changeOwner(
      c.m,
      mutation(c, 'chown'),
      c.int(0),
      atPath(c, 1, c.int(4)),
      c.int(2),
      c.int(3),
      (c.int(4) & AT.SYMLINK_NOFOLLOW) === 0,
    ),
  utime: (c) => attributes.changeTimes(c.m, mutation(c, 'utime'), AT.FDCWD, c.path(0), utimbuf(c, 1), true),
  utimes: (c) => attributes.changeTimes(c.m, mutation(c, 'utime'), AT.FDCWD, c.path(0), timevals(c, 1), true),
  futimesat: (c) =>
    attributes.changeTimes(c.m, mutation(c, 'utime'), c.int(0), c.path(1), timevals(c, 2), true),
  utimensat: (c) =>
    attributes.changeTimes(
      c.m,
      mutation(c, 'utime'),
      c.int(0),
      timesPath(c),
      timespecs(c, 2),
      (c.int(3) & AT.SYMLINK_NOFOLLOW) === 0,
    ),
  setxattr: (c) => attribute(c, true),
  lsetxattr: (c) => attribute(c, false),
  removexattr: (c) => removeAttribute(c, true),
  lremovexattr: (c) => removeAttribute(c, false),
  // By descriptor, whatever it was opened for: the sandbox's own mounts are read-only, the judged object is changed on ours.
  fchmod: (c) => attributes.changeMode(c.m, mutation(c, 'chmod'), c.int(0), '', c.int(1), true),
  fchown: (c) => attributes.changeOwner(c.m, mutation(c, 'chown'), c.int(0), '', c.int(1), c.int(2), true),
  fsetxattr: (c) => attribute(c, true, byDescriptor),
  fremovexattr: (c) => removeAttribute(c, true, byDescriptor),
};

export interface Mediators {
  readonly exec: ExecMediator;
  readonly egress: Egress | undefined;
}

function exec(c: Call, mediators: Mediators, entry: SyscallEntry): Answer {
  const at = entry.name === 'execveat';
  const flags = at ? c.int(4) : 0;
  const path = at ? atPath(c, 1, flags) : c.path(0);
  const argv = mediators.exec.readArguments(c.pid, c.number(at ? 2 : 1));
  if (argv === undefined) throw new Unreadable(E.FAULT);
  if (path === '' && !at) return fails(E.NOENT);
  return mediators.exec.exec({ pid: c.pid, dirfd: at ? c.int(0) : AT.FDCWD, path, flags, argv });
}

/** struct mmsghdr is a struct msghdr (msg_name u64, msg_namelen u32, …) and a length. */
const MMSGHDR = 64;
/** UIO_MAXIOV: the kernel takes no more messages at once. */
const MAX_MESSAGES = 1024;

/** Addresses of a sendto, sendmsg or sendmmsg; empty ones where there is none. */
function sendAddresses(c: Call, name: string): (Buffer | undefined)[] {
  if (name === 'sendto') return [readAddress(c.m, c.pid, c.number(4), c.int(5))];
  const count = name === 'sendmsg' ? 1 : Math.min(c.number(2) % 2 ** 32, MAX_MESSAGES);
  const headers = count === 0 ? Buffer.alloc(0) : c.bytes(1, (count - 1) * MMSGHDR + 16);
  return Array.from({ length: count }, (_, i) => {
    const at = Number(headers.readBigUInt64LE(i * MMSGHDR));
    const length = headers.readInt32LE(i * MMSGHDR + 8);
    return at === 0 ? Buffer.alloc(0) : readAddress(c.m, c.pid, at, length);
  });
}

/** One message that may not go keeps back all of its call. */
function send(c: Call, name: string): Answer {
  const fastOpen = (c.int(name === 'sendmsg' ? 2 : 3) & MSG_FASTOPEN) !== 0;
  for (const bytes of sendAddresses(c, name)) {
    const answer = socketCall(c, bytes, (call) => mediateSend(c.m, call, fastOpen));
    if (answer.kind !== 'continues') return answer;
  }
  return continues;
}

function socketCall(
  c: Call,
  bytes: Buffer | undefined,
  use: (call: { pid: number; fd: number; bytes: Buffer }) => Answer,
): Answer {
  return bytes === undefined ? fails(E.INVAL) : use({ pid: c.pid, fd: c.int(0), bytes });
}

function refuse(c: Call, entry: SyscallEntry): Answer {
  const { m } = c;
  const intent = {
    kind: 'syscall',
    operation: entry.name,
    object: entry.name,
    layer: 'seccomp',
    process: m.reader.brief(c.pid),
  } as const;
  m.decide(m.journal, 'enforce', intent, refusal(`syscall/${entry.name}`, entry.reason), () =>
    m.reader.tree(c.pid),
  );
  return fails(entry.errno);
}

/** A call that names a process, or clone3(2), whose answer is ENOSYS whatever it asks for. */
function processCall(c: Call, name: string): Answer {
  switch (name) {
    case 'clone3':
      return asksForNamespaces(c.m, c.pid, c.bytes(0, 8));
    case 'kill':
    case 'pidfd_open':
      return aimsAt(c.m, c.pid, name, c.int(0));
    default:
      return aimsAt(c.m, c.pid, name, c.int(1));
  }
}

/** Throws Unreadable. What is in no table is refused. */
export function dispatch(m: Mediation, mediators: Mediators, entry: SyscallEntry): Answer {
  const c = new Call(m);
  switch (entry.kind) {
    case 'open':
    case 'mutate': {
      const handler = handlers[entry.name];
      return handler === undefined ? refuse(c, entry) : handler(c);
    }
    case 'exec':
      return exec(c, mediators, entry);
    case 'started':
      return mediators.exec.started(c.pid);
    case 'connect':
      return socketCall(c, readAddress(m, c.pid, c.number(1), c.int(2)), (call) =>
        mediateConnect(m, mediators.egress, call),
      );
    case 'bind':
      return socketCall(c, readAddress(m, c.pid, c.number(1), c.int(2)), (call) => mediateBind(m, call));
    case 'send':
      return send(c, entry.name);
    case 'process':
      return processCall(c, entry.name);
    case 'deny':
      return refuse(c, entry);
  }
}
