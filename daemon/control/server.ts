// A listening unix socket: accepts, names the peer, bounds how much one peer may have and ask, and hands each message
// to the table. Whatever a peer does wrong ends its connection only.
import { chmodSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { CordonError } from '../model/mod.ts';
import { asCordonError, Connection } from '../wire/mod.ts';
import type { CloseReason, Incoming } from '../wire/mod.ts';
import type { Actor } from './peer.ts';
import { Counts, Rates } from './rate.ts';
import { dispatch } from './table.ts';
import type { Reply, Table } from './table.ts';
import { Turns } from './turns.ts';

export interface Limits {
  /** Connections of one uid, and of all. */
  readonly perUid: number;
  readonly total: number;
  /** Requests and notices a second of one uid (root counts as one), and at once. */
  readonly rate: number;
  readonly burst: number;
  /** Requests of one connection that wait for their answer. */
  readonly inFlight: number;
  /** Requests of one uid are begun one in a turn of the event loop. */
  readonly inTurn: boolean;
  /** Milliseconds in which a new connection must say something, and a frame must be complete. */
  readonly deadline: number;
}

export interface Door<Context, State extends string> {
  /** For records: `admin`, `supervisor`, `agent`. */
  readonly name: string;
  readonly path: string;
  /** Permission bits of the socket. */
  readonly mode: number;
  readonly limits: Limits;
  readonly table: Table<Context, State>;
  /** Names the peer, or throws to turn it away. */
  identify(socket: Socket): Actor;
  /** The context of a connection, made once. */
  open(actor: Actor, connection: Connection): { readonly context: Context; readonly state: () => State };
  /** A connection was closed for what its peer did, or turned away. */
  report(actor: Actor | undefined, reason: CloseReason): void;
}

/** What one uid does here now. */
interface Busy {
  readonly rates: Rates<number>;
  readonly turns: Turns<number>;
}

export interface Listening {
  readonly connections: () => number;
  close(): void;
}

/** Serves until closed. The caller owns the directory, and knows that nobody else serves this path. */
export async function serve<Context, State extends string>(door: Door<Context, State>): Promise<Listening> {
  const counts = new Counts<number>();
  const busy: Busy = { rates: new Rates(door.limits.rate, door.limits.burst), turns: new Turns() };
  const open = new Set<Connection>();
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined);
    const connection = accept(door, socket, counts, busy);
    if (connection === undefined) return;
    open.add(connection);
    void connection.closed.then(() => open.delete(connection));
  });
  await listen(server, door.path, door.mode);
  // Too few descriptors, above all: that connection is lost, the door stays open.
  server.on('error', ({ message: detail }) => door.report(undefined, { why: 'socket-error', detail }));
  return {
    connections: () => open.size,
    close: () => {
      server.close();
      for (const connection of open) connection.close();
    },
  };
}

/** Never reachable by more than `mode` says, not even for a moment. */
function listen(server: Server, path: string, mode: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const failed = (error: Error): void =>
    reject(new CordonError('unavailable', `cannot listen at ${path}: ${error.message}`, { cause: error }));
  server.once('error', failed);
  server.once('listening', () => {
    server.off('error', failed);
    resolve(undefined);
  });
  rmSync(path, { force: true });
  const before = process.umask(0o177);
  try {
    server.listen({ path, backlog: 511 });
  } finally {
    process.umask(before);
  }
  return promise.then(() => chmodSync(path, mode));
}

function accept<Context, State extends string>(
  door: Door<Context, State>,
  socket: Socket,
  counts: Counts<number>,
  busy: Busy,
): Connection | undefined {
  let actor: Actor | undefined;
  try {
    actor = door.identify(socket);
    const { perUid, total } = door.limits;
    if (counts.total >= total || counts.of(actor.uid) >= perUid)
      throw new CordonError('limit', `more than ${perUid} connections of one user, or ${total} of all`);
  } catch (error) {
    socket.destroy();
    door.report(actor, { why: 'protocol', detail: asCordonError(error).message });
    return undefined;
  }
  return begin(door, socket, actor, counts.add(actor.uid), busy);
}

function begin<Context, State extends string>(
  door: Door<Context, State>,
  socket: Socket,
  actor: Actor,
  giveBack: () => void,
  busy: Busy,
): Connection {
  const { limits } = door;
  let inFlight = 0;
  let waiting = 0;
  const onMessage = (incoming: Incoming): void => {
    clearTimeout(silent);
    if (!busy.rates.take(actor.uid, performance.now()) || inFlight >= limits.inFlight)
      throw new CordonError(
        'limit',
        `flood: more than ${limits.rate} messages a second, or ${limits.inFlight} at once`,
      );
    inFlight += 1;
    waiting += 1;
    // While one waits, no more are read: what waits is bounded by what the socket gave at once.
    if (!limits.inTurn) serveOne(incoming);
    else if (!busy.turns.take(actor.uid, () => serveOne(incoming))) connection.pause();
  };
  const serveOne = (incoming: Incoming): void => {
    waiting -= 1;
    if (waiting === 0 && limits.inTurn) connection.resume();
    if (connection.isOpen) void answered({ connection, incoming }).finally(() => (inFlight -= 1));
  };
  const answered = async (reply: Reply): Promise<void> => {
    try {
      await dispatch(door.table, state(), context, reply);
    } catch (error) {
      connection.close({ why: 'protocol', detail: asCordonError(error).message });
    }
  };
  const connection = new Connection(socket, { onMessage, frameDeadline: limits.deadline });
  const { context, state } = door.open(actor, connection);
  const silent = setTimeout(
    () => connection.close({ why: 'half-frame', detail: 'it said nothing in time' }),
    limits.deadline,
  ).unref();
  void connection.closed.then((reason) => {
    clearTimeout(silent);
    giveBack();
    if (reason.why !== 'ended' && reason.why !== 'closed-here') door.report(actor, reason);
  });
  socket.resume();
  return connection;
}
