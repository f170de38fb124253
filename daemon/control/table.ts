// One table a socket: {message → who may send it, in which state, handler}. A message that has no row, or comes in
// another state, breaks the protocol: the connection is closed and that is recorded.
import { CordonError } from '../model/mod.ts';
import type { Bodies, Connection, Incoming, Kind, Message } from '../wire/mod.ts';

export interface Reply {
  /** The connection the request came on. */
  readonly connection: Connection;
  readonly incoming: Incoming;
}

export interface Row<K extends Kind, Context, State extends string> {
  readonly states: readonly State[];
  /** True when this sender may send it at all; what it may touch is the handler's question. */
  readonly may: (context: Context) => boolean;
  /** `notice` messages carry request number 0 and have no answer; all others are answered. */
  readonly notice?: boolean;
  /** The answer. Undefined: the handler has answered itself (streams), or it is a notice. */
  readonly handle: (
    context: Context,
    body: Bodies[K],
    reply: Reply,
  ) => Message | undefined | Promise<Message | undefined>;
}

export type Table<Context, State extends string> = {
  readonly [K in Kind]?: Row<K, Context, State>;
};

export const anyone = (): boolean => true;

type AnyRow<Context, State extends string> = Omit<Row<Kind, Context, State>, 'handle'> & {
  readonly handle: (
    context: Context,
    body: unknown,
    reply: Reply,
  ) => Message | undefined | Promise<Message | undefined>;
};

/** Throws CordonError('protocol') for what is not in the table; everything else ends as an answer. */
export function dispatch<Context, State extends string>(
  table: Table<Context, State>,
  state: State,
  context: Context,
  reply: Reply,
): Promise<void> {
  const { kind } = reply.incoming.message;
  const row = table[kind] as unknown as AnyRow<Context, State> | undefined;
  if (row === undefined || !row.may(context))
    throw new CordonError('protocol', `${kind} is not for this socket or sender`);
  if (!row.states.includes(state)) throw new CordonError('protocol', `${kind} came in state ${state}`);
  if ((reply.incoming.request === 0) !== (row.notice ?? false))
    throw new CordonError('protocol', `${kind} is ${row.notice === true ? 'a notice' : 'a request'}`);
  return answer(row, context, reply);
}

async function answer<Context, State extends string>(
  row: AnyRow<Context, State>,
  context: Context,
  { connection, incoming }: Reply,
): Promise<void> {
  try {
    const message = await row.handle(context, incoming.message.body, { connection, incoming });
    if (message !== undefined) connection.send({ request: incoming.request, more: false, message });
  } catch (error) {
    if (row.notice === true) connection.close({ why: 'protocol', detail: String(error) });
    else connection.refuse(incoming, inWords(error));
  }
}

/** What a disk that takes nothing more is called by SQLite and by the system. */
const fullDisk: ReadonlySet<unknown> = new Set(['SQLITE_FULL', 'ENOSPC', 'EDQUOT']);

function inWords(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CordonError || !('code' in error)) return error;
  if (!fullDisk.has(error.code)) return error;
  return new CordonError(
    'internal',
    'the disk with the state directory is full: what cannot be recorded is not done',
    {
      cause: error,
      fix: 'make room on it: cordon doctor names the directory, the runbook disk-full says what may go',
    },
  );
}
