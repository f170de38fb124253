// audit prove: proofs of the tree, against signed checkpoints.
import { CordonError } from '../../model/mod.ts';
import { message } from '../../wire/mod.ts';
import { mayRead } from '../access.ts';
import type { AdminContext, AdminHandler } from '../admin-table.ts';

export const prove: AdminHandler<'prove'> = async (context, { id, first, second }) => {
  const { audit } = context.daemon;
  await audit.spool.drainAll();
  const key = audit.verifierKey();
  if (id !== '') return message('proveAnswer', { json: JSON.stringify({ key, ...inclusion(context, id) }) });
  const { origin, size } = audit.head();
  const to = second === 0 ? size : second;
  if (first > to || to > size)
    throw new CordonError('not-found', `the log has ${size} entries: no proof leads from ${first} to ${to}`, {
      fix: 'give sizes that the log has or had',
    });
  const proof = audit.consistency(first, to);
  const json = JSON.stringify({ key, origin, first, second: to, ...audit.roots(first, to), proof });
  return message('proveAnswer', { json });
};

/** Whether an event is not there or another's is not told apart. */
function inclusion({ daemon, actor }: AdminContext, id: string): object {
  const { spool, registry } = daemon.audit;
  const kept = spool.byId(id.replace(/\.outcome$/, ''));
  const shown = JSON.stringify(id.slice(0, 60));
  const missing = new CordonError('not-found', `there is no event ${shown} in the log`, {
    fix: 'cordon audit tail lists ids',
  });
  if (!mayRead(actor, kept === undefined ? undefined : registry.get(kept.subject))) throw missing;
  const answer = daemon.audit.inclusion(id);
  if (answer === undefined) throw missing;
  return answer;
}
