// How every change is carried out: its object or place is pinned, judged, recorded, acted on, and let go.
import { AT, E, O, type Files } from '../../native-bindings/linux/mod.ts';
import { toText, type Verdict } from '../model/mod.ts';
import { answerOf, fails, outcomeOf, refusal, type Answer, type Mediation, refused } from './mediation.ts';
import { isPlaceless, isUnresolved, type Located, type Slot } from './resolver.ts';

/** One call of a task, by its verb in the record. */
export interface Mutation {
  readonly pid: number;
  readonly operation: string;
}

export function permit(
  m: Mediation,
  call: Mutation,
  verdict: Verdict,
  object: string,
  object2: string | undefined,
  effect: () => number,
): Answer {
  const permission = m.decide(
    m.journal,
    m.mode,
    {
      kind: 'file',
      operation: call.operation,
      object: toText(object),
      ...(object2 === undefined ? {} : { object2: toText(object2) }),
      layer: 'seccomp-notify',
      process: m.reader.brief(call.pid),
    },
    verdict,
    () => m.reader.tree(call.pid),
  );
  if (!permission.granted) return refused(permission);
  const result = effect();
  m.journal.complete(permission.record, outcomeOf(result));
  return answerOf(result);
}

const harmlessOnGitConfig: Verdict = {
  effect: 'allow',
  rule: {
    id: 'builtin/git-config-harmless',
    source: { file: 'built in', line: 0, key: 'git-config' },
    never: false,
  },
  reason: 'removing a git configuration, or changing its mode, gives it no content',
  obligations: [],
};
/** A repository can be removed, and `git init` tries the mode bits of its configuration: neither says what git runs. */
export const sparing = (verdict: Verdict): Verdict =>
  verdict.effect !== 'allow' && verdict.rule.id === 'builtin/protected/git-config'
    ? harmlessOnGitConfig
    : verdict;

/** Runs `use` on the directory and name of `path`, and closes what was pinned. */
export function withSlot(
  m: Mediation,
  pid: number,
  dirfd: number,
  path: string,
  use: (slot: Slot) => Answer,
): Answer {
  const slot = m.resolver.slot(pid, dirfd, path);
  if (isUnresolved(slot)) return fails(slot.errno);
  try {
    return use(slot);
  } finally {
    m.resolver.close(slot);
  }
}

/** `use` on the object that a name or, with an empty name, a descriptor leads to; `anonymous` on one without a place. */
export function withObject(
  m: Mediation,
  pid: number,
  dirfd: number,
  path: string,
  follow: boolean,
  use: (object: Located) => Answer,
  anonymous: (fd: number) => number = () => -E.PERM,
): Answer {
  if (path === '' && dirfd < 0 && dirfd !== AT.FDCWD) return fails(E.BADF);
  const found = m.resolver.object(pid, dirfd, path, follow);
  if (isUnresolved(found))
    return isHidden(path, found.errno) ? hidden(m, pid, dirfd, path) : fails(found.errno);
  try {
    // A pipe, a socket, a memory file: nobody's but the task's, and nothing that a rule could name.
    if (isPlaceless(found)) return answerOf(anonymous(found.fd));
    return found.path.startsWith('/proc/') ? fails(E.PERM) : use(found);
  } finally {
    m.resolver.close(found);
  }
}

/** A descriptor is there, so what it leads to is; a name may just not be. */
const isHidden = (path: string, errno: number): boolean =>
  errno === E.STALE || (path === '' && errno === E.NOENT);

/** The task's descriptor leads to a decoy, or out of the sandbox: there is nothing like it in the mediator's tree. */
const hidden = (m: Mediation, pid: number, dirfd: number, path: string): Answer =>
  permit(
    m,
    { pid, operation: 'access' },
    refusal('hidden', 'what is behind this descriptor is hidden from the sandbox'),
    path === '' ? m.files.readlink(m.proc, dirfd === AT.FDCWD ? `${pid}/cwd` : `${pid}/fd/${dirfd}`) : path,
    undefined,
    () => -E.ACCES,
  );

export const isDots = (name: string): boolean => name === '' || name === '.' || name === '..';

/** Opens a pinned object for `use`, which gives a result or -errno. */
export function withOpen(
  files: Files,
  proc: number,
  object: number,
  flags: number,
  use: (fd: number) => number,
): number {
  const fd = files.openat(proc, files.selfPath(object), flags | O.CLOEXEC | O.NOCTTY);
  if (fd < 0) return fd;
  const result = use(fd);
  files.close(fd);
  return result;
}
