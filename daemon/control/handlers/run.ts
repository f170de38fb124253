import { launch } from '../launch.ts';
import { checkRun } from '../run-request.ts';
import type { AdminHandler } from '../admin-table.ts';

export const run: AdminHandler<'run'> = ({ daemon, actor }, body) =>
  launch(daemon, actor, checkRun(actor, body, daemon.accounts(), daemon.settings.defaultProfile));
