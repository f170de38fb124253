// Unix sockets with a name: connected to on behalf, by the object that was judged, and bound on behalf, as new files.
import { AT, E, S, mounts, processes, sockets } from '../../native-bindings/linux/mod.ts';
import { normalise, toText, type Mode, type Verdict } from '../model/mod.ts';
import { parseAddress } from './addresses.ts';
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
import { write } from './repositories.ts';
import { isPlaceless, isUnresolved, type Located, type Slot } from './resolver.ts';
import { borrow, connectBounded, intentOf, refuse, unborrowed, type SocketCall } from './socket-call.ts';

export const RESOLVER_PORT = 53;
const AGENT_SOCKET = '/run/cordon/agent.sock';
/** The name service cache asks first; that it is not there is no attempt at anything. */
const cacheSockets = new Set(['/var/run/nscd/socket', '/run/nscd/socket']);
const ownSocket: Verdict = {
  effect: 'allow',
  rule: { id: 'builtin/own-socket', source: { file: 'built in', line: 0, key: 'own-socket' }, never: false },
  reason: 'the socket belongs to this session',
  obligations: [],
};

/** Connecting to a named socket counts as a write on its inode; outside the sandbox's own places it needs a grant. */
export function connectUnix(m: Mediation, call: SocketCall, path: string, socket: number): Answer {
  const found = m.resolver.object(call.pid, AT.FDCWD, path, true);
  if (isUnresolved(found)) {
    return found.errno === E.NOENT ? noSuchSocket(m, call, path) : fails(found.errno);
  }
  try {
    if (isPlaceless(found) || (found.stat.mode & S.IFMT) !== S.IFSOCK) return fails(E.CONNREFUSED);
    const { verdict, mode } = socketVerdict(m, found);
    const permission = m.decide(
      m.journal,
      mode,
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
 * process outside (an agent's background service, tmux, gpg-agent …), which would act for the agent unconfined. Cordon's
 * own sockets are refused whatever a profile grants, and in every mode: what they do is decided by who connects, and the
 * one who connects on behalf is the supervisor.
 */
function socketVerdict(m: Mediation, found: Located): { readonly verdict: Verdict; readonly mode: Mode } {
  if (found.path === AGENT_SOCKET || m.boundHere.has(found.stat)) return { verdict: ownSocket, mode: m.mode };
  if (m.controlSockets.includes(found)) return { verdict: controlSocket, mode: 'enforce' };
  return { verdict: m.decider.socket({ path: found.path }), mode: m.mode };
}
const controlSocket = refusal(
  'control-socket',
  "Cordon's own sockets are not for agents, whatever a profile grants",
);

/**
 * Sockets of the host's /run and /tmp are not in the tree at all. That they were asked for is worth a record when policy
 * denies them, or when the machine has one of that name, which a profile may seem to grant.
 */
function noSuchSocket(m: Mediation, call: SocketCall, path: string): Answer {
  if (!path.startsWith('/') || cacheSockets.has(path)) return fails(E.NOENT);
  const judged = m.decider.socket({ path: normalise(path) });
  const outside = m.onlyOutside(path);
  if (!outside && (judged.effect === 'allow' || m.isScratch(path))) return fails(E.NOENT);
  const verdict = judged.effect === 'allow' ? notHere : judged;
  m.decide(m.journal, 'enforce', { ...intentOf(m, call, toText(path)), kind: 'socket' }, verdict, () =>
    m.reader.tree(call.pid),
  );
  return fails(E.NOENT);
}
const notHere = refusal('not-in-sandbox', "this socket is the machine's, and not in the sandbox's own tree");

/** Bytes of sun_path (unix(7)), the last one for NUL. */
const MAX_NAME = 107;

/** Our directory makes a name longer: what is too long then is bound from inside it. The working directory is this thread's own. */
function bindIn(m: Mediation, socket: number, slot: Slot): number {
  const name = `${m.files.selfPath(slot.fd)}/${slot.name}`;
  if (name.length <= MAX_NAME) return sockets.bindTo(socket, sockets.unixAddress(name));
  mounts.changeDirectory(slot.fd);
  try {
    return sockets.bindTo(socket, sockets.unixAddress(slot.name));
  } finally {
    mounts.changeDirectory(m.proc);
  }
}

/** A unix socket with a name is a new file: made on behalf. Every other bind stays inside the network namespace. */
export function mediateBind(m: Mediation, call: SocketCall): Answer {
  const address = parseAddress(call.bytes);
  if (address?.family === 'inet' && address.port === RESOLVER_PORT)
    return refuse(
      m,
      call,
      `port ${RESOLVER_PORT}`,
      "the place of the session's resolver cannot be taken",
      E.ACCES,
      'bind',
    );
  if (address?.family !== 'unix') return continues;
  const slot = m.resolver.slot(call.pid, AT.FDCWD, address.path);
  if (isUnresolved(slot)) return fails(slot.errno);
  const socket = borrow(m, call.pid, call.fd);
  try {
    if (socket < 0) return unborrowed(m, call, -socket, toText(slot.path), 'bind');
    const intent = { ...intentOf(m, call, toText(slot.path)), kind: 'socket' as const, operation: 'bind' };
    const verdict = write(m, slot.path);
    const permission = m.decide(m.journal, m.mode, intent, verdict, () => m.reader.tree(call.pid));
    if (!permission.granted) return refused(permission);
    const status = m.reader.status(call.pid);
    m.files.umask(status?.umask ?? 0o077);
    const result = bindIn(m, socket, slot);
    if (result === 0) m.boundHere.add(slot);
    m.journal.complete(permission.record, outcomeOf(result));
    return answerOf(result);
  } finally {
    if (socket >= 0) processes.close(socket);
    m.resolver.close(slot);
  }
}
