import { procfs } from '../../../native-bindings/linux/mod.ts';
import type { SessionFacts, SessionRow } from '../../audit/mod.ts';
import { findCgroups } from '../../killswitch/mod.ts';
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

/** Of the session's control group, what is Cordon's own not counted. 0 when it is gone. */
function processesOf({ initPid, supervisorPid }: SessionFacts): number {
  if (initPid === 0) return 0;
  const { unified, pids } = findCgroups(initPid);
  const directory = unified ?? pids;
  if (directory === undefined) return descendantsOf(initPid);
  const inside = new Set(
    procfs.readProc(`${directory}/cgroup.procs`).split('\n').filter(Boolean).map(Number),
  );
  inside.delete(initPid);
  inside.delete(supervisorPid);
  return inside.size;
}

/** Where there is no control group to ask. */
function descendantsOf(initPid: number): number {
  let count = 0;
  const waiting = [initPid];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    const children = childrenOf(pid);
    count += children.length;
    waiting.push(...children);
  }
  return count;
}

const childrenOf = (pid: number): number[] =>
  procfs.readProc(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
