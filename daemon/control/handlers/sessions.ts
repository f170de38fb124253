import { procfs } from '../../../native-bindings/linux/mod.ts';
import type { SessionFacts, SessionRow } from '../../audit/mod.ts';
import { toText } from '../../model/mod.ts';
import { message } from '../../wire/mod.ts';
import type { SessionInfo } from '../../wire/mod.ts';
import { mayTouch, touchable } from '../access.ts';
import type { AdminHandler } from '../admin-table.ts';
import type { Daemon } from '../daemon.ts';

const maxListed = 500;

export const sessions: AdminHandler<'sessions'> = async ({ daemon, actor }, { session }) => {
  await daemon.audit.spool.drainAll();
  const { registry } = daemon.audit;
  const rows =
    session === ''
      ? registry.recent(maxListed).filter((row) => mayTouch(actor, row))
      : [touchable(actor, session, registry.get(session))];
  return message('sessionsAnswer', { sessions: rows.map((row) => infoOf(daemon, row)) });
};

function infoOf(
  daemon: Daemon,
  { session, state, started, ended, allowed, denied, facts }: SessionRow,
): SessionInfo {
  const live = daemon.sessions.get(session) !== undefined;
  return {
    session,
    state,
    user: facts.user,
    profile: facts.profile,
    profileVersion: facts.profileVersion,
    mode: facts.mode,
    workspace: toText(facts.workspace),
    argv: facts.argv,
    started,
    ended,
    supervisorPid: live ? facts.supervisorPid : 0,
    initPid: live ? facts.initPid : 0,
    processes: live ? processesOf(facts) : 0,
    allowed,
    denied,
    generation: facts.generation,
    layers: facts.layers,
    exitCode: facts.exitCode,
  };
}

/** Processes of the sandbox's pid namespace, whatever group they are in; its pid 1, which is Cordon's, not counted. */
function processesOf({ initPid }: SessionFacts): number {
  const namespace = initPid === 0 ? '' : procfs.namespaceOf(initPid, 'pid');
  if (namespace === '' || namespace === procfs.namespaceOf('self', 'pid')) return 0;
  const inside = procfs.processes().filter((pid) => procfs.namespaceOf(pid, 'pid') === namespace);
  return inside.filter((pid) => pid !== initPid && procfs.processState(pid) !== 'Z').length;
}
