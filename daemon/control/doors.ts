// The daemon's sockets: path, permission, bounds, who is let in, and which table serves them.
import { CordonError } from '../model/mod.ts';
import type { CloseReason } from '../wire/mod.ts';
import { procfs } from '../../native-bindings/linux/mod.ts';
import { adminTable } from './admin-table.ts';
import type { AdminContext } from './admin-table.ts';
import { agentTable } from './agent-table.ts';
import type { AgentContext } from './agent-table.ts';
import type { Daemon } from './daemon.ts';
import { actorOf, pidNamespaceOf } from './peer.ts';
import type { Actor } from './peer.ts';
import type { Door, Limits } from './server.ts';
import type { Session } from './session.ts';
import { stateOf, supervisorTable } from './supervisor-table.ts';
import type { SupervisorContext, SupervisorState } from './supervisor-table.ts';

const adminLimits: Limits = {
  perUid: 128,
  total: 512,
  rate: 500,
  burst: 1000,
  inFlight: 32,
  inTurn: true,
  deadline: 10_000,
};
/** All supervisors are root's: their bounds are against mistakes. */
const supervisorLimits: Limits = {
  perUid: 1024,
  total: 1024,
  rate: 100_000,
  burst: 200_000,
  inFlight: 10_000,
  inTurn: false,
  deadline: 10_000,
};
const agentLimits: Limits = {
  perUid: 16,
  total: 16,
  rate: 50,
  burst: 200,
  inFlight: 16,
  inTurn: true,
  deadline: 10_000,
};

const reporter =
  (daemon: Daemon, name: string) =>
  (actor: Actor | undefined, reason: CloseReason): void =>
    daemon.closures.report(name, actor, reason);

/** The sandbox has no way to this socket; should it find one, its processes are turned away here, and those that cannot be told from them. */
function refuseSandboxed(daemon: Daemon, actor: Actor, namespace: string): void {
  if (namespace === '')
    throw new CordonError('not-permitted', `process ${actor.pid} is gone: whose it was cannot be told`);
  for (const { id, facts, initPidfd } of daemon.sessions.all) {
    const inside = initPidfd !== undefined && procfs.namespaceOf(facts.initPid, 'pid') === namespace;
    if (inside || facts.supervisorPid === actor.pid)
      throw new CordonError('not-permitted', `a process of session ${id} came to the admin socket`);
  }
}

export function adminDoor(daemon: Daemon): Door<AdminContext, 'open'> {
  return {
    name: 'admin',
    path: daemon.paths.adminSocket,
    mode: 0o666,
    limits: adminLimits,
    table: adminTable,
    identify: (socket) => {
      const actor = actorOf(socket, daemon.accounts(), daemon.settings.adminGroup);
      refuseSandboxed(daemon, actor, pidNamespaceOf(socket, actor.pid));
      return actor;
    },
    open: (actor, connection) => ({ context: { daemon, actor, connection }, state: () => 'open' }),
    report: reporter(daemon, 'admin'),
  };
}

export function supervisorDoor(daemon: Daemon): Door<SupervisorContext, SupervisorState> {
  return {
    name: 'supervisor',
    path: daemon.paths.supervisorSocket,
    mode: 0o600,
    limits: supervisorLimits,
    table: supervisorTable,
    identify: (socket) => {
      const actor = actorOf(socket, daemon.accounts(), daemon.settings.adminGroup);
      if (actor.uid !== 0) throw new CordonError('not-permitted', `uid ${actor.uid} is no supervisor`);
      return actor;
    },
    open: (actor, connection) => {
      const context: SupervisorContext = { daemon, actor, connection, greeted: false };
      return { context, state: () => stateOf(context) };
    },
    report: reporter(daemon, 'supervisor'),
  };
}

export function agentDoor(daemon: Daemon, session: Session): Door<AgentContext, 'open'> {
  return {
    name: 'agent',
    path: daemon.paths.agentSocket(session.id),
    mode: 0o666,
    limits: agentLimits,
    table: agentTable,
    identify: (socket) => {
      const actor = actorOf(socket, daemon.accounts(), daemon.settings.adminGroup);
      // The sandbox's own connects are made on its behalf by its supervisor, which has judged them.
      if (actor.pid === session.facts.supervisorPid) return actor;
      if (actor.uid !== session.uid && actor.uid !== 0)
        throw new CordonError('not-permitted', `uid ${actor.uid} is not that of session ${session.id}`);
      const namespace = pidNamespaceOf(socket, actor.pid);
      const inside = session.initPidfd === undefined ? '' : procfs.namespaceOf(session.facts.initPid, 'pid');
      if (namespace === '' || namespace !== inside)
        throw new CordonError('not-permitted', `process ${actor.pid} is not of session ${session.id}`);
      return actor;
    },
    open: (actor) => ({ context: { daemon, actor, session }, state: () => 'open' }),
    report: reporter(daemon, 'agent'),
  };
}
