import { procfs } from '../../../native-bindings/linux/mod.ts';
import type { SessionRow } from '../../audit/mod.ts';
import { toText } from '../../model/mod.ts';
import { message } from '../../wire/mod.ts';
import type { SessionInfo } from '../../wire/mod.ts';
import { mayTouch, touchable } from '../access.ts';
import type { AdminHandler } from '../admin-table.ts';
import type { Daemon } from '../daemon.ts';
import { paged } from './pages.ts';

const maxListed = 500;
/** Characters of sessions in one answer, as JSON: what a user made long keeps nobody from the list. */
const answerSize = 256 * 1024;
/** Characters of a command line that are listed. */
const maxArguments = 4096;

export const sessions: AdminHandler<'sessions'> = async ({ daemon, actor }, { session }, reply) => {
  await daemon.audit.spool.drainAll();
  const { registry } = daemon.audit;
  const rows =
    session === ''
      ? registry.recent(maxListed).filter((row) => mayTouch(actor, row))
      : [touchable(actor, session, registry.get(session))];
  const pages = answersOf(listed(daemon, rows));
  return paged(reply, pages, (page) => message('sessionsAnswer', { sessions: page }));
};

function listed(daemon: Daemon, rows: readonly SessionRow[]): SessionInfo[] {
  const own = procfs.namespaceOf('self', 'pid');
  const live = rows.filter(({ session, facts }) => facts.initPid !== 0 && isLive(daemon, session));
  const inside = live.length === 0 ? new Map<string, number[]>() : processesByNamespace();
  return rows.map((row) => infoOf(row, isLive(daemon, row.session), own, inside));
}

const isLive = (daemon: Daemon, session: string): boolean => daemon.sessions.get(session) !== undefined;

/** In answers of bounded size, in order. */
function answersOf(infos: readonly SessionInfo[]): SessionInfo[][] {
  const answers: SessionInfo[][] = [];
  let room = 0;
  for (const info of infos) {
    const size = JSON.stringify(info).length;
    if (size > room) {
      answers.push([]);
      room = answerSize;
    }
    answers.at(-1)?.push(info);
    room -= size;
  }
  return answers;
}

function infoOf(
  { session, state, started, ended, allowed, denied, facts }: SessionRow,
  live: boolean,
  own: string,
  inside: ReadonlyMap<string, readonly number[]>,
): SessionInfo {
  return {
    session,
    state,
    user: facts.user,
    profile: facts.profile,
    profileVersion: facts.profileVersion,
    mode: facts.mode,
    workspace: toText(facts.workspace),
    argv: shortened(facts.argv),
    started,
    ended,
    supervisorPid: live ? facts.supervisorPid : 0,
    initPid: live ? facts.initPid : 0,
    processes: live ? countOf(facts.initPid, own, inside) : 0,
    allowed,
    denied,
    generation: facts.generation,
    layers: facts.layers,
    exitCode: facts.exitCode,
  };
}

/** As many words as there is room for; what is left out shows. */
function shortened(argv: readonly string[]): readonly string[] {
  let room = maxArguments;
  const words: string[] = [];
  for (const word of argv) {
    if (word.length > room) return [...words, `${word.slice(0, Math.max(0, room))}…`];
    words.push(word);
    room -= word.length + 1;
  }
  return words;
}

/** Looked at once for all sessions. */
function processesByNamespace(): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const pid of procfs.processes()) {
    const namespace = procfs.namespaceOf(pid, 'pid');
    const pids = found.get(namespace);
    if (pids === undefined) found.set(namespace, [pid]);
    else pids.push(pid);
  }
  return found;
}

/** Processes of the sandbox's pid namespace, whatever group they are in; its pid 1, which is Cordon's, not counted. */
function countOf(initPid: number, own: string, inside: ReadonlyMap<string, readonly number[]>): number {
  const namespace = initPid === 0 ? '' : procfs.namespaceOf(initPid, 'pid');
  if (namespace === '' || namespace === own) return 0;
  const pids = inside.get(namespace) ?? [];
  return pids.filter((pid) => pid !== initPid && procfs.processState(pid) !== 'Z').length;
}
