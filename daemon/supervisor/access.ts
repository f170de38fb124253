// access(2), faccessat(2) and faccessat2(2) that ask for writing. The sandbox's own mounts are read-only, so the kernel
// would say EROFS about places where the mediator writes on behalf, and programs that ask first would not try (SQLite
// looks for its temporary directory like this). A question is no action: nothing is recorded.
import { AT, E, S } from '../../native-bindings/linux/mod.ts';
import type { Verdict } from '../model/mod.ts';
import { answerOf, continues, fails, type Answer, type Mediation } from './mediation.ts';
import { judge } from './open.ts';
import { isPlaceless, isUnresolved, join, type Located } from './resolver.ts';

export interface AccessCall {
  readonly pid: number;
  readonly dirfd: number;
  readonly path: string;
  /** R_OK, W_OK, X_OK. */
  readonly mode: number;
  readonly follow: boolean;
}

/** A directory is writable when something may be made in it. */
function verdictOn(m: Mediation, { path, stat }: Located): Verdict {
  if ((stat.mode & S.IFMT) !== S.IFDIR) return judge(m, path, stat, ['write']);
  return m.decider.file({ access: 'write', path: join(path, '#access') });
}

export function mediateAccess(m: Mediation, call: AccessCall): Answer {
  const found = m.resolver.object(call.pid, call.dirfd, call.path, call.follow);
  if (isUnresolved(found)) return fails(found.errno);
  try {
    const kind = isPlaceless(found) ? 0 : found.stat.mode & S.IFMT;
    // Devices, pipes and /proc: a read-only mount says nothing about those, so the kernel's own answer is right.
    if (isPlaceless(found) || (kind !== S.IFREG && kind !== S.IFDIR) || found.path.startsWith('/proc/'))
      return continues;
    if (m.mode === 'enforce' && verdictOn(m, found).effect !== 'allow') return fails(E.ACCES);
    // AT_EACCESS: by the ids this thread acts with, which are the agent's; without it the real ones, root's, count.
    return answerOf(m.files.faccessat(m.proc, m.files.selfPath(found.fd), call.mode, AT.EACCESS));
  } finally {
    m.resolver.close(found);
  }
}
