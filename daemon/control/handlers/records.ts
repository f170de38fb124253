// blocks, audit tail: what is on record, then, when asked, what comes in.
import type { KeptRecord } from '../../audit/mod.ts';
import { daemonStream } from '../../audit/mod.ts';
import { message } from '../../wire/mod.ts';
import type { Message } from '../../wire/mod.ts';
import { mayTouch, touchable } from '../access.ts';
import type { AdminContext, AdminHandler } from '../admin-table.ts';
import type { Reply } from '../table.ts';

const defaultLimit = 1000;
const maxLimit = 100_000;
/** Bytes of records in one answer. */
const answerSize = 256 * 1024;
const maxOwnSessions = 1000;

export const records: AdminHandler<'records'> = async (context, body, reply) => {
  const { daemon, actor } = context;
  const { spool, registry } = daemon.audit;
  if (body.session !== '' && !(actor.admin && body.session === daemonStream))
    touchable(actor, body.session, registry.get(body.session));
  await (body.session === '' ? spool.drainAll() : spool.drain(body.session));
  const subjects = subjectsOf(context, body.session);
  const limit = Math.min(body.limit === 0 ? defaultLimit : body.limit, maxLimit);
  const found = spool.find({
    limit,
    since: body.since,
    deniedOnly: body.deniedOnly,
    ...(subjects === undefined ? {} : { subjects }),
  });
  // From the query to the subscription nothing is awaited: no record falls between them.
  if (body.follow) follow(context, body.session, body.deniedOnly, reply);
  const chunks = chunked(found);
  for (const chunk of chunks.slice(0, -1)) {
    send(reply, chunk, true);
    await reply.connection.drained();
  }
  send(reply, chunks.at(-1) ?? [], body.follow);
  return undefined;
};

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

function chunked(kept: readonly KeptRecord[]): string[][] {
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
