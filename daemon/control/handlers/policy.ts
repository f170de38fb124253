import { CordonError, normalise } from '../../model/mod.ts';
import { message } from '../../wire/mod.ts';
import { absolute, profileName } from '../run-request.ts';
import type { AdminHandler } from '../admin-table.ts';

/** The effective policy that a run would have now. */
export const policy: AdminHandler<'policy'> = ({ daemon, actor }, body) => {
  const accounts = daemon.accounts();
  const account = body.user === '' ? accounts.byUid(actor.uid) : accounts.byName(body.user);
  if (account === undefined)
    throw new CordonError('not-found', `there is no user ${body.user || actor.name}`);
  const home = daemon.homeOf(account);
  const json = daemon.profiles.show({
    profile: profileName(body.profile, daemon.settings.defaultProfile),
    user: account.name,
    uid: account.uid,
    home,
    workspace: body.workspace.length === 0 ? home : normalise(absolute(body.workspace, 'workspace')),
    generation: 1,
    trusted: actor.admin,
  });
  return message('policyAnswer', { json });
};
