// What every socket call works with: the task's address and socket, and how an attempt is recorded.
import { E, errnoName, processes, sockets } from '../../native-bindings/linux/mod.ts';
import { MAX_ADDRESS } from './addresses.ts';
import { fails, refusal, type Answer, type Mediation } from './mediation.ts';

export interface SocketCall {
  readonly pid: number;
  readonly fd: number;
  readonly bytes: Buffer;
}

/** A unix or loopback listener whose backlog is full must not stall the mediator longer than this. */
const CONNECT_US = 1_000_000n;

export function readAddress(m: Mediation, pid: number, address: number, length: number): Buffer | undefined {
  if (length < 0 || length > MAX_ADDRESS) return undefined;
  return length === 0 ? Buffer.alloc(0) : m.memory.read(pid, address, length);
}

/** A duplicate of the task's socket; the caller closes it. -errno on failure. */
export function borrow(m: Mediation, pid: number, fd: number, threads = true): number {
  const socket = threads ? m.tasks.descriptor(pid, fd) : -E.INVAL;
  return socket === -E.INVAL ? borrowFromLeader(m, pid, fd) : socket;
}

/** Before Linux 6.9 a thread has no pidfd. */
function borrowFromLeader(m: Mediation, pid: number, fd: number): number {
  const pidfd = processes.pidfdOpen(m.reader.leaderOf(pid) ?? pid);
  if (pidfd < 0) return pidfd;
  const socket = processes.pidfdGetfd(pidfd, fd);
  processes.close(pidfd);
  if (socket < 0) return socket;
  // The leader's descriptor of that number is the thread's only when they share their table.
  const [ours, theirs] = [m.files.fstat(socket), m.files.fstatat(m.proc, `${pid}/fd/${fd}`, 0)];
  if (ours !== undefined && ours.dev === theirs?.dev && ours.ino === theirs.ino) return socket;
  processes.close(socket);
  return -E.BADF;
}

/**
 * A socket that could not be borrowed. A descriptor that the task does not have is the kernel's own answer; whatever else
 * went wrong is a refusal of ours.
 */
export function unborrowed(
  m: Mediation,
  call: SocketCall,
  errno: number,
  object: string,
  operation = 'connect',
): Answer {
  if (errno === E.BADF && m.files.fstatat(m.proc, `${call.pid}/fd/${call.fd}`, 0) === undefined)
    return fails(E.BADF);
  const reason = `the socket of this call could not be looked at (${errnoName(errno)})`;
  return refuse(m, call, object, reason, E.ACCES, operation);
}

/** A blocking socket waits at most CONNECT_US, or as long as its owner said; a non-blocking one answers EINPROGRESS as ever. */
export function connectBounded(socket: number, address: Uint8Array): number {
  const own = sockets.sendTimeout(socket);
  sockets.setSendTimeout(socket, own > 0n && own < CONNECT_US ? own : CONNECT_US);
  const result = sockets.connectTo(socket, address);
  sockets.setSendTimeout(socket, own);
  return result === -E.AGAIN ? -E.CONNREFUSED : result;
}

export function intentOf(
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

export function refuse(
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
