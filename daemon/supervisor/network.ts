// connect(2), bind(2) and addressed sends. A connect never continues: an address or a descriptor could change behind
// the decision. The task's own socket is connected on its behalf, to the egress listener in its network namespace, to a
// socket of the sandbox itself, or to a unix socket that was judged by the object it names.
import { AT, E, S, processes, sockets } from '../../native-bindings/linux/mod.ts';
import { toText, type NetworkQuery, type ProcessInfo, type Verdict } from '../model/mod.ts';
import { MAX_ADDRESS, parseAddress, type Address } from './addresses.ts';
import {
  answerOf,
  continues,
  fails,
  outcomeOf,
  refusal,
  type Answer,
  type Mediation,
  refused,
} from './mediation.ts';
import type { EgressLink } from './pins.ts';
import { isPlaceless, isUnresolved, type Located } from './resolver.ts';

/** Ports of the egress listeners in the sandbox's network namespace, and the link to the process behind them. */
export interface Egress {
  readonly port4: number;
  readonly port6: number;
  readonly link: EgressLink;
}

export interface SocketCall {
  readonly pid: number;
  readonly fd: number;
  readonly bytes: Buffer;
}

type Inet = Extract<Address, { family: 'inet' }>;
const RESOLVER_PORT = 53;
const AGENT_SOCKET = '/run/cordon/agent.sock';
/** The name service cache asks first; that it is not there is no attempt at anything. */
const cacheSockets = new Set(['/var/run/nscd/socket', '/run/nscd/socket']);
const ownSocket: Verdict = {
  effect: 'allow',
  rule: { id: 'builtin/own-socket', source: { file: 'built in', line: 0, key: 'own-socket' }, never: false },
  reason: 'the socket belongs to this session',
  obligations: [],
};
/** A unix or loopback listener whose backlog is full must not stall the mediator longer than this. */
const CONNECT_MS = 1000;

export function readAddress(m: Mediation, pid: number, address: number, length: number): Buffer | undefined {
  if (length < 0 || length > MAX_ADDRESS) return undefined;
  return length === 0 ? Buffer.alloc(0) : m.memory.read(pid, address, length);
}

/** A duplicate of the task's socket; the caller closes it. -errno on failure. */
export function borrow(m: Mediation, pid: number, fd: number, threads = true): number {
  // The task may be a thread: PIDFD_THREAD needs Linux 6.9.
  let pidfd = threads ? processes.pidfdOpen(pid, true) : -E.INVAL;
  if (pidfd === -E.INVAL) pidfd = processes.pidfdOpen(m.reader.leaderOf(pid) ?? pid);
  if (pidfd < 0) return pidfd;
  const socket = processes.pidfdGetfd(pidfd, fd);
  processes.close(pidfd);
  if (socket < 0) return socket;
  // By way of the leader: its descriptor of that number is the thread's only when they share their table.
  const [ours, theirs] = [m.files.fstat(socket), m.files.fstatat(m.proc, `${pid}/fd/${fd}`, 0)];
  if (ours !== undefined && ours.dev === theirs?.dev && ours.ino === theirs.ino) return socket;
  processes.close(socket);
  return -E.BADF;
}

export function mediateConnect(m: Mediation, egress: Egress | undefined, call: SocketCall): Answer {
  const address = parseAddress(call.bytes);
  if (address === undefined) return fails(E.INVAL);
  const socket = borrow(m, call.pid, call.fd);
  if (socket < 0) return fails(socket === -E.BADF ? E.BADF : E.ACCES);
  try {
    return connectSocket(m, egress, call, address, socket);
  } finally {
    processes.close(socket);
  }
}

function connectSocket(
  m: Mediation,
  egress: Egress | undefined,
  call: SocketCall,
  address: Address,
  socket: number,
): Answer {
  switch (address.family) {
    case 'inet':
      return sockets.socketType(socket) === sockets.SOCK.STREAM
        ? connectStream(m, egress, call, address, socket)
        : connectDatagram(m, call, address, socket);
    case 'unix':
      return connectUnix(m, call, address.path, socket);
    case 'unix-abstract':
      return connectAbstract(m, call, address.name, socket);
    case 'unspecified':
    case 'netlink':
      // Netlink ends at the network namespace; AF_UNSPEC only dissolves an association.
      return answerOf(sockets.connectTo(socket, call.bytes));
    case 'other':
      return refuse(m, call, `family ${address.number}`, 'only unix and internet addresses can be mediated');
  }
}

/** Abstract names end at the network namespace: only sockets of the sandbox itself are there. */
function connectAbstract(m: Mediation, call: SocketCall, name: string, socket: number): Answer {
  const result = connectBounded(socket, call.bytes);
  if (result !== -E.CONNREFUSED) return answerOf(result);
  return refuse(
    m,
    call,
    `@${toText(name)}`,
    'no socket of this sandbox has the name, and abstract sockets outside are not reachable',
    E.CONNREFUSED,
  );
}

const nameOf = (a: Inet): string => (a.version === 6 ? `[${a.address}]:${a.port}` : `${a.address}:${a.port}`);

function connectStream(
  m: Mediation,
  egress: Egress | undefined,
  call: SocketCall,
  to: Inet,
  socket: number,
): Answer {
  if (sockets.socketProtocol(socket) !== 6)
    return refuse(m, call, nameOf(to), 'only TCP stream sockets can be mediated');
  const literal = m.decider.network({ address: to.address, port: to.port });
  // The sandbox's own loopback, unless the profile grants this very address: then the host's is meant.
  if (to.loopback && literal.effect !== 'allow') return connectInside(egress, to, socket, call);
  const names = egress?.link.namesOf(to.address) ?? [];
  const { verdict, host } = judgeDestination(m, to, names, literal);
  const object = host === undefined ? nameOf(to) : `${host}:${to.port}`;
  const permission = m.decide(m.journal, m.mode, intentOf(m, call, object, nameOf(to)), verdict, () =>
    m.reader.tree(call.pid),
  );
  if (!permission.granted) return refused(permission);
  if (egress === undefined) return fails(E.NETUNREACH);
  const result = connectThrough(egress, socket, to, call, permission.record.id, permission.record.process);
  m.journal.complete(permission.record, outcomeOf(result));
  return answerOf(result);
}

/** Allowed when the address is granted literally, or some name that was answered with it is granted on this port. */
function judgeDestination(
  m: Mediation,
  to: Inet,
  names: readonly string[],
  literal: Verdict,
): { verdict: Verdict; host?: string } {
  if (literal.effect === 'allow') return { verdict: literal };
  let best: { verdict: Verdict; host?: string } = { verdict: literal };
  for (const host of names) {
    const query: NetworkQuery = { host, address: to.address, port: to.port };
    const verdict = m.decider.network(query);
    if (verdict.effect === 'allow') return { verdict, host };
    if (best.host === undefined) best = { verdict, host };
  }
  return best;
}

function connectInside(egress: Egress | undefined, to: Inet, socket: number, call: SocketCall): Answer {
  if (egress !== undefined && (to.port === egress.port4 || to.port === egress.port6))
    return fails(E.CONNREFUSED);
  return answerOf(connectBounded(socket, call.bytes));
}

/** A blocking socket waits at most CONNECT_MS; a non-blocking one answers EINPROGRESS as ever. */
function connectBounded(socket: number, address: Uint8Array): number {
  sockets.sendTimeout(socket, CONNECT_MS);
  const result = sockets.connectTo(socket, address);
  sockets.sendTimeout(socket, 0);
  return result === -E.AGAIN ? -E.CONNREFUSED : result;
}

function connectThrough(
  egress: Egress,
  socket: number,
  to: Inet,
  call: SocketCall,
  id: string,
  process: ProcessInfo | undefined,
): number {
  const v = sockets.socketDomain(socket) === sockets.AF.INET6 ? 6 : 4;
  sockets.bindTo(socket, v === 6 ? sockets.inet6Loopback(0) : sockets.inet4([127, 0, 0, 1], 0)); // EINVAL: bound already
  const port = sockets.localPort(socket);
  if (port <= 0) return -E.NETUNREACH;
  const flow = {
    v,
    port,
    addr: to.address,
    dport: to.port,
    pid: call.pid,
    exe: process?.exe ?? '',
    id,
  } as const;
  if (!egress.link.announce(flow)) return -E.NETUNREACH;
  return connectBounded(
    socket,
    v === 6 ? sockets.inet6Loopback(egress.port6) : sockets.inet4([127, 0, 0, 1], egress.port4),
  );
}

/**
 * Datagrams reach only our resolver and the sandbox's own loopback: there is no route to anywhere else. Name libraries
 * connect datagram sockets just to learn which address of an answer they would use: that is no attempt to send.
 */
function connectDatagram(m: Mediation, call: SocketCall, to: Inet, socket: number): Answer {
  if (to.loopback) return answerOf(sockets.connectTo(socket, call.bytes));
  if (to.port === 0 || m.decider.network({ address: to.address, port: to.port }).effect === 'allow')
    return fails(E.NETUNREACH);
  return refuse(
    m,
    call,
    `udp ${nameOf(to)}`,
    to.port === RESOLVER_PORT
      ? 'names are looked up through the resolver at 127.0.0.1 only'
      : 'datagrams leave the sandbox only as look-ups through its resolver',
    E.NETUNREACH,
  );
}

/** Connecting to a named socket counts as a write on its inode; outside the sandbox's own places it needs a grant. */
function connectUnix(m: Mediation, call: SocketCall, path: string, socket: number): Answer {
  const found = m.resolver.object(call.pid, AT.FDCWD, path, true);
  if (isUnresolved(found)) {
    return found.errno === E.NOENT ? noSuchSocket(m, call, path) : fails(found.errno);
  }
  try {
    if (isPlaceless(found) || (found.stat.mode & S.IFMT) !== S.IFSOCK) return fails(E.CONNREFUSED);
    const verdict = socketVerdict(m, found);
    const permission = m.decide(
      m.journal,
      m.mode,
      { ...intentOf(m, call, toText(found.path)), kind: 'socket' },
      verdict,
      () => m.reader.tree(call.pid),
    );
    if (!permission.granted) return refused(permission);
    // Our working directory is the host's /proc: `self/fd/N` leads to the very inode that was judged.
    const result = connectBounded(socket, sockets.unixAddress(m.files.selfPath(found.fd)));
    m.journal.complete(permission.record, outcomeOf(result));
    return answerOf(result);
  } finally {
    m.resolver.close(found);
  }
}

/**
 * A socket bound inside this sandbox, and the session's own agent socket, may be connected to. Any other belongs to a
 * process outside (an agent's background service, tmux, gpg-agent …), which would act for the agent unconfined.
 */
function socketVerdict(m: Mediation, found: Located): Verdict {
  const own = m.boundHere.has(`${found.stat.dev}:${found.stat.ino}`) || found.path === AGENT_SOCKET;
  return own ? ownSocket : m.decider.socket({ path: found.path });
}

/** Sockets of the host's /run are not in the tree at all. That they were asked for is worth a record when policy denies them. */
function noSuchSocket(m: Mediation, call: SocketCall, path: string): Answer {
  if (!path.startsWith('/') || cacheSockets.has(path)) return fails(E.NOENT);
  const verdict = m.decider.socket({ path: path as never });
  if (verdict.effect === 'allow') return fails(E.NOENT);
  m.decide(m.journal, m.mode, { ...intentOf(m, call, toText(path)), kind: 'socket' }, verdict, () =>
    m.reader.tree(call.pid),
  );
  return fails(E.NOENT);
}

/** A unix socket with a name is a new file: made on behalf. Every other bind stays inside the network namespace. */
export function mediateBind(m: Mediation, call: SocketCall): Answer {
  const address = parseAddress(call.bytes);
  if (address?.family !== 'unix') return continues;
  const slot = m.resolver.slot(call.pid, AT.FDCWD, address.path);
  if (isUnresolved(slot)) return fails(slot.errno);
  const socket = borrow(m, call.pid, call.fd);
  try {
    if (socket < 0) return fails(E.BADF);
    const intent = { ...intentOf(m, call, toText(slot.path)), kind: 'socket' as const, operation: 'bind' };
    const verdict = m.decider.file({ access: 'write', path: slot.path });
    const permission = m.decide(m.journal, m.mode, intent, verdict, () => m.reader.tree(call.pid));
    if (!permission.granted) return refused(permission);
    const status = m.reader.status(call.pid);
    m.files.umask(status?.umask ?? 0o077);
    const result = sockets.bindTo(socket, sockets.unixAddress(`${m.files.selfPath(slot.fd)}/${slot.name}`));
    const bound = result < 0 ? undefined : m.files.fstatat(slot.fd, slot.name, AT.SYMLINK_NOFOLLOW);
    if (bound !== undefined) m.boundHere.add(`${bound.dev}:${bound.ino}`);
    m.journal.complete(permission.record, outcomeOf(result));
    return answerOf(result);
  } finally {
    if (socket >= 0) processes.close(socket);
    m.resolver.close(slot);
  }
}

/**
 * sendto(2), sendmsg(2), sendmmsg(2). The network namespace has no route, and unix datagram sockets cannot be made, so
 * letting the kernel run the call gives nothing away; this is where the attempt is recorded.
 */
export function mediateSend(m: Mediation, call: SocketCall): Answer {
  const address = call.bytes.length === 0 ? undefined : parseAddress(call.bytes);
  if (address?.family === 'inet' && !address.loopback) {
    return refuse(
      m,
      call,
      `udp ${nameOf(address)}`,
      'datagrams leave the sandbox only as look-ups through its resolver',
      E.NETUNREACH,
      'send',
    );
  }
  if (address?.family === 'unix')
    return refuse(
      m,
      call,
      toText(address.path),
      'datagrams to named unix sockets cannot be mediated',
      E.ACCES,
      'send',
    );
  return continues;
}

function intentOf(
  m: Mediation,
  call: SocketCall,
  object: string,
  address?: string,
): Parameters<Mediation['decide']>[2] {
  return {
    kind: 'connect',
    operation: 'connect',
    object,
    ...(address === undefined ? {} : { object2: address }),
    layer: 'seccomp-notify',
    process: m.reader.brief(call.pid),
  };
}

function refuse(
  m: Mediation,
  call: SocketCall,
  object: string,
  reason: string,
  errno: number = E.ACCES,
  operation = 'connect',
): Answer {
  m.decide(
    m.journal,
    'enforce',
    { ...intentOf(m, call, object), operation },
    refusal('unmediated-socket', reason),
    () => m.reader.tree(call.pid),
  );
  return fails(errno);
}
