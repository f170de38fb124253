// Who may see and touch which session. One place, asked by every handler.
import { CordonError } from '../model/mod.ts';
import type { Actor } from './peer.ts';

interface Owned {
  readonly owner: number;
}

/** Root and administrators everything; a user what that user started. */
export const mayTouch = (actor: Actor, session: Owned): boolean => actor.admin || session.owner === actor.uid;

/** Records about this session; about none, or none that is known: administrators. */
export const mayRead = (actor: Actor, about: Owned | undefined): boolean =>
  actor.admin || (about !== undefined && mayTouch(actor, about));

/** Whether it does not exist or is another's is not told apart. */
export function touchable<S extends Owned>(actor: Actor, id: string, found: S | undefined): S {
  if (found !== undefined && mayTouch(actor, found)) return found;
  throw new CordonError('not-found', `there is no session ${JSON.stringify(id.slice(0, 40))} of yours`, {
    fix: 'cordon sessions lists them',
  });
}
