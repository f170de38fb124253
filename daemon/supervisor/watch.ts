// inotify_add_watch(2): who watches a directory learns the names in it as they come and go, which is to list it. The
// watch is put on the object that was judged, through a duplicate of the task's own inotify descriptor.
import { AT, S, processes } from '../../native-bindings/linux/mod.ts';
import { toText } from '../model/mod.ts';
import { answerOf, fails, outcomeOf, refused, type Answer, type Mediation } from './mediation.ts';
import { judge } from './open.ts';
import { isPlaceless, isUnresolved, type Located } from './resolver.ts';
import { borrow } from './socket-call.ts';

/** IN_DONT_FOLLOW: the object was found already, and is named by a descriptor. */
const DONT_FOLLOW = 0x0200_0000;

export interface WatchCall {
  readonly pid: number;
  /** The task's inotify descriptor. */
  readonly fd: number;
  readonly path: string;
  readonly mask: number;
}

export function mediateWatch(m: Mediation, call: WatchCall): Answer {
  const found = m.resolver.object(call.pid, AT.FDCWD, call.path, (call.mask & DONT_FOLLOW) === 0);
  if (isUnresolved(found)) return fails(found.errno);
  try {
    // A pipe or socket of the task's own: there is nothing that a rule could name.
    if (isPlaceless(found))
      return withWatcher(m, call, (watcher) => answerOf(add(m, call, watcher, found.fd)));
    return withWatcher(m, call, (watcher) => watchFound(m, call, watcher, found));
  } finally {
    m.resolver.close(found);
  }
}

function withWatcher(m: Mediation, call: WatchCall, use: (watcher: number) => Answer): Answer {
  const watcher = borrow(m, call.pid, call.fd);
  if (watcher < 0) return fails(-watcher);
  try {
    return use(watcher);
  } finally {
    processes.close(watcher);
  }
}

const add = (m: Mediation, { mask }: WatchCall, watcher: number, object: number): number =>
  m.files.inotifyAddWatch(watcher, m.files.selfPath(object), mask & ~DONT_FOLLOW);

function watchFound(m: Mediation, call: WatchCall, watcher: number, found: Located): Answer {
  const permission = m.decide(
    m.journal,
    m.mode,
    {
      kind: 'file',
      operation: 'watch',
      object: toText(found.path),
      layer: 'seccomp-notify',
      process: m.reader.brief(call.pid),
      ...((found.stat.mode & S.IFMT) === S.IFDIR ? { detail: { directory: true } } : {}),
    },
    judge(m, found.path, found.stat, ['read']),
    () => m.reader.tree(call.pid),
  );
  if (!permission.granted) return refused(permission);
  const result = add(m, call, watcher, found.fd);
  m.journal.complete(permission.record, outcomeOf(result));
  return answerOf(result);
}
