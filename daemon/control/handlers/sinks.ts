import { CordonError } from '../../model/mod.ts';
import { message } from '../../wire/mod.ts';
import type { AdminHandler } from '../admin-table.ts';

/** Where records go, and what is wrong there, is for administrators. */
export const sinks: AdminHandler<'sinks'> = ({ daemon, actor }) => {
  if (!actor.admin)
    throw new CordonError('not-permitted', 'sinks are shown to administrators only', {
      fix: `sudo cordon audit sinks, or join the group ${daemon.settings.adminGroup}`,
    });
  return message('sinksAnswer', { sinks: daemon.uploads.infos(), running: daemon.uploads.running });
};
