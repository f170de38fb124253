// The supervisor socket: root's own processes, each named by the kernel. A supervisor says hello once; with a session
// (it reconnects to a daemon that was away) or without (it waits in the pool).
import { closeSync } from 'node:fs';
import { CordonError } from '../model/mod.ts';
import { daemonStream } from '../audit/mod.ts';
import { asCordonError, message } from '../wire/mod.ts';
import type { Bodies, Connection, Message } from '../wire/mod.ts';
import type { Daemon } from './daemon.ts';
import type { Actor } from './peer.ts';
import type { Session } from './session.ts';
import { mintedAnswer } from './handlers/tokens.ts';
import { linkOf } from './supervisor-link.ts';
import type { SupervisorLink } from './supervisor-link.ts';
import type { Table } from './table.ts';
import type { Asker } from './tokens.ts';

export interface SupervisorContext {
  readonly daemon: Daemon;
  readonly actor: Actor;
  readonly connection: Connection;
  greeted: boolean;
}

/** new: nothing said. idle: in the pool. session: runs one. */
export type SupervisorState = 'new' | 'idle' | 'session';

export const stateOf = ({ daemon, connection, greeted }: SupervisorContext): SupervisorState => {
  if (!greeted) return 'new';
  return sessionOf(daemon, connection) === undefined ? 'idle' : 'session';
};

const sessionOf = (daemon: Daemon, connection: Connection): Session | undefined =>
  daemon.sessions.all.find(({ link }) => link === connection);

function hello(context: SupervisorContext, body: Bodies['supervisorHello']): Message {
  const { daemon, actor, connection } = context;
  const link = linkOf(actor, connection, body);
  context.greeted = true;
  if (body.session === '') {
    // Answered first: the pool may send the launch at once.
    setImmediate(() => daemon.pool.offer(link));
    return message('ack');
  }
  const session = adopt(daemon, body.session, link);
  daemon.note(session.id, {
    kind: 'session',
    operation: 'adopt',
    object: session.id,
    disposition: 'observed',
    layer: 'daemon',
    reason: 'its supervisor came back to a daemon that had been away',
    process: { pid: link.pid },
  });
  setImmediate(() => void daemon.refreshPolicy(session));
  return message('ack', { generation: session.facts.generation });
}

/** One that is refused ends its session: that there was one is on record here. */
function adopt(daemon: Daemon, id: string, link: SupervisorLink): Session {
  try {
    return daemon.sessions.adopt(id, link);
  } catch (error) {
    closeSync(link.pidfd);
    daemon.note(daemonStream, {
      kind: 'session',
      operation: 'adopt',
      object: id.slice(0, 64),
      disposition: 'denied',
      layer: 'daemon',
      reason: asCordonError(error).message,
      process: { pid: link.pid },
    });
    throw error;
  }
}

function own(daemon: Daemon, connection: Connection): Session {
  const session = sessionOf(daemon, connection);
  if (session === undefined) throw new CordonError('protocol', 'no session of this supervisor');
  return session;
}

const egressOf = ({ pid }: Actor): Asker => ({ pid, name: 'egress' });

const root = ({ actor }: SupervisorContext): boolean => actor.uid === 0;

export const supervisorTable: Table<SupervisorContext, SupervisorState> = {
  supervisorHello: { states: ['new'], may: root, handle: hello },
  journalHint: {
    states: ['session'],
    may: root,
    notice: true,
    handle: ({ daemon, connection }) => {
      const session = sessionOf(daemon, connection);
      if (session !== undefined) daemon.drainSoon(session.id);
      return undefined;
    },
  },
  attachToken: {
    states: ['session'],
    may: root,
    handle: async ({ daemon, actor, connection }, body) =>
      mintedAnswer(await daemon.tokens.attach(own(daemon, connection), egressOf(actor), body)),
  },
  useToken: {
    states: ['session'],
    may: root,
    handle: async ({ daemon, actor, connection }, body) =>
      message('useTokenAnswer', await daemon.tokens.use(own(daemon, connection), egressOf(actor), body)),
  },
  sessionEnded: {
    states: ['session'],
    may: root,
    notice: true,
    handle: ({ daemon, connection }, { exitCode, reason }) => {
      const session = sessionOf(daemon, connection);
      if (session === undefined) throw new CordonError('protocol', 'no session of this supervisor');
      void daemon.sessions.end(session, { state: 'ended', exitCode, reason });
      return undefined;
    },
  },
};
