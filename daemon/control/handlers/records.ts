// blocks, audit tail: what is on record, then, when asked, what comes in.
import type { KeptRecord, RecordsQuery } from '../../audit/mod.ts';
import { daemonStream } from '../../audit/mod.ts';
import { CordonError } from '../../model/mod.ts';
import { mayTouch, touchable } from '../access.ts';
import type { AdminContext, AdminHandler } from '../admin-table.ts';
import type { Reply } from '../table.ts';
import { follow } from './follow.ts';
import { pageSize, readOrLeave, sendChunk, sendRecords } from './pages.ts';

const defaultLimit = 1000;
const maxLimit = 100_000;
const maxOwnSessions = 1000;
/** Of one uid: each is asked about every record that comes in. */
const maxFollowing = 64;
export const records: AdminHandler<'records'> = async (context, body, reply) => {
  const { daemon, actor } = context;
  const { spool, registry } = daemon.audit;
  if (body.session !== '' && !(actor.admin && body.session === daemonStream))
    touchable(actor, body.session, registry.get(body.session));
  if (body.follow) countFollower(context);
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
  if (body.follow) goOn(context, body.session, body.deniedOnly, reply);
  sendChunk(reply, [], body.follow);
  return undefined;
};

/** Until the connection ends. Throws CordonError('limit'). */
function countFollower({ daemon, actor, connection }: AdminContext): void {
  if (daemon.following.of(actor.uid) >= maxFollowing)
    throw new CordonError('limit', `${maxFollowing} followers of yours read the records already`, {
      fix: 'end one of them: cordon audit tail --follow, cordon blocks --follow',
    });
  void connection.closed.then(daemon.following.add(actor.uid));
}

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
    sendRecords(reply, page);
    left -= page.length;
    from = last.position + 1;
    await readOrLeave(reply);
  }
}

/** Undefined: everything. */
function subjectsOf({ daemon, actor }: AdminContext, session: string): string[] | undefined {
  if (session !== '') return [session];
  return actor.admin ? undefined : daemon.audit.registry.ownedBy(actor.uid, maxOwnSessions);
}

function goOn(context: AdminContext, session: string, deniedOnly: boolean, reply: Reply): void {
  const { daemon, actor } = context;
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
  const query = (): Omit<RecordsQuery, 'limit'> => {
    const subjects = subjectsOf(context, session);
    return { deniedOnly, ...(subjects === undefined ? {} : { subjects }) };
  };
  follow({ spool, wanted, query, reply });
}
