// blocks, audit tail: what is on record, then, when asked, what comes in.
import { setImmediate } from 'node:timers/promises';
import type { KeptRecord, RecordsQuery } from '../../audit/mod.ts';
import { daemonStream } from '../../audit/mod.ts';
import { message } from '../../wire/mod.ts';
import type { Message } from '../../wire/mod.ts';
import { mayTouch, touchable } from '../access.ts';
import type { AdminContext, AdminHandler } from '../admin-table.ts';
import type { Reply } from '../table.ts';

const defaultLimit = 1000;
const maxLimit = 100_000;
/** Records read at a time, so that no answer is held whole nor holds others up. */
const pageSize = 500;
/** Bytes of records in one answer. */
const answerSize = 256 * 1024;
const maxOwnSessions = 1000;
/** Milliseconds a reader may let an answer wait. */
const readDeadline = 30_000;

export const records: AdminHandler<'records'> = async (context, body, reply) => {
  const { daemon, actor } = context;
  const { spool, registry } = daemon.audit;
  if (body.session !== '' && !(actor.admin && body.session === daemonStream))
    touchable(actor, body.session, registry.get(body.session));
  // What was journaled before the request is in the answer.
  await (body.session === '' ? spool.drainAll() : spool.drain(body.session));
  const subjects = subjectsOf(context, body.session);
  const query = {
    limit: Math.min(body.limit === 0 ? defaultLimit : body.limit, maxLimit),
    since: body.since,
    deniedOnly: body.deniedOnly,
    ...(subjects === undefined ? {} : { subjects }),
  };
  await sendPages(context, query, body.follow, reply);
  // Between the last, empty page and this nothing else ran: a follower misses nothing.
  if (body.follow) follow(context, body.session, body.deniedOnly, reply);
  send(reply, [], body.follow);
  return undefined;
};

/** Resolves in the very turn in which there was nothing left; a follower's limit is where to begin, not where to end. */
async function sendPages(
  { daemon }: AdminContext,
  query: RecordsQuery,
  endless: boolean,
  reply: Reply,
): Promise<void> {
  const { spool } = daemon.audit;
  let left = endless ? Infinity : query.limit;
  for (let from = spool.first(query); from !== undefined && left > 0 && reply.connection.isOpen;) {
    const page = spool.page({ ...query, limit: Math.min(left, pageSize) }, from);
    const last = page.at(-1);
    if (last === undefined) return;
    for (const chunk of chunked(page)) send(reply, chunk, true);
    left -= page.length;
    from = last.position + 1;
    await readOrLeave(reply);
  }
}

/** The peer has room for more, or has lost its connection. Other requests get their turn. */
export async function readOrLeave({ connection }: Reply): Promise<void> {
  const timer = setTimeout(
    () => connection.close({ why: 'slow-reader', detail: 'an answer was not read in time' }),
    readDeadline,
  );
  await connection.drained();
  clearTimeout(timer);
  await setImmediate();
}

/** Undefined: everything. */
function subjectsOf({ daemon, actor }: AdminContext, session: string): string[] | undefined {
  if (session !== '') return [session];
  return actor.admin ? undefined : daemon.audit.registry.ownedBy(actor.uid, maxOwnSessions);
}

function follow({ daemon, actor }: AdminContext, session: string, deniedOnly: boolean, reply: Reply): void {
  const { spool, registry } = daemon.audit;
  const mine = new Map<string, boolean>();
  const visible = (subject: string): boolean => {
    let own = mine.get(subject);
    if (own === undefined) {
      const row = registry.get(subject);
      mine.set(subject, (own = actor.admin || (row !== undefined && mayTouch(actor, row))));
    }
    return own;
  };
  const wanted = ({ subject, denied }: KeptRecord): boolean =>
    (session === '' || subject === session) && (denied || !deniedOnly) && visible(subject);
  const stop = spool.follow((kept) => {
    for (const chunk of chunked(kept.filter(wanted))) send(reply, chunk, true);
  });
  void reply.connection.closed.then(stop);
}

function send({ connection, incoming }: Reply, chunk: readonly string[], more: boolean): void {
  const answer: Message = message('recordsAnswer', { records: chunk });
  connection.send({ request: incoming.request, more, message: answer });
}

export function chunked(kept: readonly KeptRecord[]): string[][] {
  const chunks: string[][] = [];
  let size = Infinity;
  for (const { json } of kept) {
    if (size + json.length > answerSize) {
      chunks.push([]);
      size = 0;
    }
    chunks.at(-1)?.push(json);
    size += Buffer.byteLength(json);
  }
  return chunks;
}
