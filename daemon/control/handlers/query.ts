// audit query: records by session, time, class, verdict, path and host, newest first, a page at a time.
import { setImmediate } from 'node:timers/promises';
import type { KeptRecord } from '../../audit/mod.ts';
import type { SessionRecord } from '../../model/mod.ts';
import { message } from '../../wire/mod.ts';
import type { AdminHandler } from '../admin-table.ts';
import type { Reply } from '../table.ts';
import { filterOf } from './filter.ts';
import { chunked, readOrLeave } from './pages.ts';
import { revealing } from './reveal.ts';

const defaultLimit = 100;
const maxLimit = 100_000;
const maxOwnSessions = 1000;

export const query: AdminHandler<'query'> = async (context, body, reply) => {
  const { search, spool, registry } = context.daemon.audit;
  const { actor } = context;
  const filter = filterOf(context, body);
  // What was journaled before the request is in the answer.
  await (body.session === '' ? spool.drainAll() : spool.drain(body.session));
  while (search.catchUp()) await setImmediate();
  const request = {
    ...filter,
    ...(body.before === 0 ? {} : { before: body.before }),
    ...(actor.admin ? {} : { subjects: new Set(registry.ownedBy(actor.uid, maxOwnSessions)) }),
  };
  const limit = Math.min(body.limit === 0 ? defaultLimit : body.limit, maxLimit);
  const show = revealing(context, body.reveal, filter);
  const found = body.reveal ? shown(search.find(request), show) : search.find(request);
  const next = await sendFound(reply, found, limit);
  send(reply, { records: [], next }, false);
  return undefined;
};

function* shown(
  steps: Iterable<readonly KeptRecord[]>,
  show: (record: SessionRecord) => SessionRecord,
): Generator<readonly KeptRecord[]> {
  for (const step of steps)
    yield step.map((kept) => ({
      ...kept,
      json: JSON.stringify(show(JSON.parse(kept.json) as SessionRecord)),
    }));
}

/** Position before which the next page begins; 0 when everything was looked through. Others have their turn. */
async function sendFound(
  reply: Reply,
  steps: Iterable<readonly KeptRecord[]>,
  limit: number,
): Promise<number> {
  let left = limit;
  for (const found of steps) {
    const page = found.slice(0, left);
    left -= page.length;
    for (const records of chunked(page)) send(reply, { records, next: 0 }, true);
    const last = page.at(-1);
    if (left === 0 && last !== undefined) return last.position;
    if (!reply.connection.isOpen) return 0;
    await (page.length === 0 ? setImmediate() : readOrLeave(reply));
  }
  return 0;
}

function send(
  { connection, incoming }: Reply,
  body: { readonly records: readonly string[]; readonly next: number },
  more: boolean,
): void {
  connection.send({ request: incoming.request, more, message: message('queryAnswer', body) });
}
