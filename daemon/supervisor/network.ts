// connect(2), bind(2) and addressed sends. A connect never continues: an address or a descriptor could change behind
// the decision. The task's own socket is connected on its behalf, to the egress listener in its network namespace, to a
// socket of the sandbox itself, or to a unix socket that was judged by the object it names.
import { E, processes, sockets } from '../../native-bindings/linux/mod.ts';
import { toText, type NetworkQuery, type ProcessInfo, type Verdict } from '../model/mod.ts';
import { familyOf, parseAddress, type Address } from './addresses.ts';
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
import { borrow, connectBounded, intentOf, refuse, unborrowed, type SocketCall } from './socket-call.ts';
import { RESOLVER_PORT, connectUnix } from './unix-sockets.ts';

/** Ports of the egress listeners in the sandbox's network namespace, and the link to the process behind them. */
export interface Egress {
  readonly port4: number;
  readonly port6: number;
  readonly link: EgressLink;
}

type Inet = Extract<Address, { family: 'inet' }>;

export function mediateConnect(m: Mediation, egress: Egress | undefined, call: SocketCall): Answer {
  const address = parseAddress(call.bytes);
  if (address === undefined) return fails(E.INVAL);
  const socket = borrow(m, call.pid, call.fd);
  if (socket < 0) return unborrowed(m, call, -socket, named(address));
  try {
    return connectSocket(m, egress, call, address, socket);
  } finally {
    processes.close(socket);
  }
}

function named(address: Address): string {
  switch (address.family) {
    case 'inet':
      return nameOf(address);
    case 'unix':
      return toText(address.path);
    case 'unix-abstract':
      return `@${toText(address.name)}`;
    case 'other':
      return `family ${address.number}`;
    case 'unspecified':
    case 'netlink':
      return address.family;
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
      return connectInternet(m, egress, call, address, socket);
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

/** Only stream sockets have TCP for their protocol: of those one question is enough. */
function connectInternet(
  m: Mediation,
  egress: Egress | undefined,
  call: SocketCall,
  to: Inet,
  socket: number,
): Answer {
  if (sockets.socketProtocol(socket) === sockets.IPPROTO_TCP)
    return connectStream(m, egress, call, to, socket);
  return sockets.socketType(socket) === sockets.SOCK.STREAM
    ? refuse(m, call, nameOf(to), 'only TCP stream sockets can be mediated')
    : connectDatagram(m, call, to, socket);
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
  const literal = m.decider.network({ address: to.address, port: to.port });
  // The sandbox's own loopback, unless the profile grants this very address: then the host's is meant.
  if (to.loopback && literal.effect !== 'allow') return connectInside(m, egress, to, socket, call);
  const names = (): string[] => egress?.link.namesOf(to.address) ?? [];
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
  names: () => readonly string[],
  literal: Verdict,
): { verdict: Verdict; host?: string } {
  if (literal.effect === 'allow') return { verdict: literal };
  let best: { verdict: Verdict; host?: string } = { verdict: literal };
  for (const host of names()) {
    const query: NetworkQuery = { host, address: to.address, port: to.port };
    const verdict = m.decider.network(query);
    if (verdict.effect === 'allow') return { verdict, host };
    if (best.host === undefined) best = { verdict, host };
  }
  return best;
}

function connectInside(
  m: Mediation,
  egress: Egress | undefined,
  to: Inet,
  socket: number,
  call: SocketCall,
): Answer {
  const ours = egress !== undefined && (to.port === egress.port4 || to.port === egress.port6);
  const result = ours ? -E.CONNREFUSED : connectBounded(socket, call.bytes);
  const refusedByNobody =
    result === -E.CONNREFUSED || (result === -E.INPROGRESS && sockets.hasFailed(socket));
  if (refusedByNobody) nobodyListens(m, to, call);
  return answerOf(result);
}

/** Programs wait for a server of their own like this, again and again: each port is recorded once. */
function nobodyListens(m: Mediation, to: Inet, call: SocketCall): void {
  if (!m.isNew(`loopback ${nameOf(to)}`)) return;
  const reason =
    "nothing in this sandbox listens there, and the machine's own loopback is reached only by a grant of this very address";
  m.decide(m.journal, 'enforce', intentOf(m, call, nameOf(to)), refusal('own-loopback', reason), () =>
    m.reader.tree(call.pid),
  );
}

/** Of what egress takes (`egress/messages.ts`): bytes that are no text are four characters each. */
const MAX_EXE = 4096;

function connectThrough(
  egress: Egress,
  socket: number,
  to: Inet,
  call: SocketCall,
  id: string,
  process: ProcessInfo | undefined,
): number {
  if (to.port === 0) return -E.CONNREFUSED; // nobody can listen there
  const v = familyOf(call.bytes) === sockets.AF.INET6 ? 6 : 4; // one that is not the socket's cannot be bound
  sockets.bindTo(socket, v === 6 ? sockets.inet6Loopback(0) : sockets.inet4([127, 0, 0, 1], 0)); // EINVAL: bound already
  const port = sockets.localPort(socket);
  if (port <= 0) return -E.NETUNREACH;
  const flow = {
    v,
    port,
    addr: to.address,
    dport: to.port,
    pid: call.pid,
    exe: (process?.exe ?? '').slice(0, MAX_EXE),
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

/** tcp(7) */
export const MSG_FASTOPEN = 0x2000_0000;

/** An address of no family is an IPv4 one to udp(7) (net/ipv4/udp.c, udp_sendmsg). */
const asDatagram = (bytes: Buffer): Buffer =>
  bytes.length < 16 || familyOf(bytes) !== sockets.AF.UNSPEC
    ? bytes
    : Buffer.concat([Buffer.from([sockets.AF.INET, 0]), bytes.subarray(2)]);

/**
 * sendto(2), sendmsg(2), sendmmsg(2). The network namespace has no route, and unix datagram sockets cannot be made, so
 * letting the kernel run the call gives nothing away; this is where the attempt is recorded.
 */
export function mediateSend(m: Mediation, call: SocketCall, fastOpen = false): Answer {
  const address = call.bytes.length === 0 ? undefined : parseAddress(asDatagram(call.bytes));
  if (address?.family === 'inet' && !address.loopback && fastOpen) {
    const reason =
      'a connection that begins with its first data (TCP Fast Open) cannot be mediated: connect first';
    return refuse(m, call, nameOf(address), reason, E.OPNOTSUPP, 'send');
  }
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
