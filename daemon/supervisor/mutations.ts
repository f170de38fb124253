// Calls that change the tree: carried out on behalf, in pinned directories, on judged objects.
import { AT, E, O, S } from '../../native-bindings/linux/mod.ts';
import { objectId, strictest, type BytePath, type Verdict } from '../model/mod.ts';
import { fails, refusal, type Answer, type Mediation } from './mediation.ts';
import { entriesOf } from './directory.ts';
import { installGitConfig, isGitConfigRename } from './git-config.ts';
import { applyUmask, judge } from './open.ts';
import { isDots, permit, sparing, withObject, withOpen, withSlot, type Mutation } from './permit.ts';
import { write } from './repositories.ts';
import { join, type Slot } from './resolver.ts';

const SETID = 0o6000;
/** Directories whose contents act on the host: a link in their place would lead around the rules below them. */
const takeoverNames = new Set([
  '.git',
  '.vscode',
  '.idea',
  '.claude',
  '.cursor',
  '.codex',
  '.gemini',
  '.opencode',
  '.qwen',
  '.husky',
  '.config',
  'hooks',
]);
/**
 * A git directory holds no links: one to a directory elsewhere would bring configuration and hooks with it. Only the link
 * with which git init tries whether links work (.git/tXXXXXX, .git/modules/name/tXXXXXX) is let through.
 */
const insideGit = /\/\.git\/(?!(?:modules\/.+\/)?t[A-Za-z0-9]{6}$)/;
const isTakeoverLink = (path: string): boolean =>
  takeoverNames.has(path.slice(path.lastIndexOf('/') + 1)) || insideGit.test(path);

/** Entries looked at before a directory may change its name. */
const MAX_SCAN = 50_000;

/** Writable at both names, and not readable at the new one unless it was at the old one. */
function moved(m: Mediation, from: BytePath, to: BytePath): Verdict {
  const hidden = m.decider.file({ access: 'read', path: from });
  const shown = hidden.effect !== 'allow' && m.decider.file({ access: 'read', path: to }).effect === 'allow';
  return strictest([...(shown ? [hidden] : []), write(m, from), write(m, to)]);
}

export function makeDirectory(
  m: Mediation,
  call: Mutation,
  dirfd: number,
  path: string,
  mode: number,
): Answer {
  return withSlot(m, call.pid, dirfd, path, (slot) => {
    if (isDots(slot.name)) return fails(E.EXIST);
    // What is there already is no mutation: mkdir -p asks for every parent.
    if (m.files.fstatat(slot.fd, slot.name, AT.SYMLINK_NOFOLLOW) !== undefined) return fails(E.EXIST);
    return permit(m, call, write(m, slot.path), slot.path, undefined, () => {
      applyUmask(m, call.pid);
      return m.files.mkdirat(slot.fd, slot.name, mode & 0o1777);
    });
  });
}

export function remove(m: Mediation, call: Mutation, dirfd: number, path: string, flags: number): Answer {
  return withSlot(m, call.pid, dirfd, path, (slot) => {
    if (isDots(slot.name)) return fails(E.INVAL);
    if (m.files.fstatat(slot.fd, slot.name, AT.SYMLINK_NOFOLLOW) === undefined) return fails(E.NOENT);
    return permit(m, call, sparing(write(m, slot.path)), slot.path, undefined, () => {
      const result = m.files.unlinkat(slot.fd, slot.name, flags & AT.REMOVEDIR);
      return path.endsWith('/') && result === -E.ISDIR ? -E.NOTDIR : result;
    });
  });
}

export function symlink(m: Mediation, call: Mutation, target: string, dirfd: number, path: string): Answer {
  return withSlot(m, call.pid, dirfd, path, (slot) => {
    if (isDots(slot.name)) return fails(E.EXIST);
    return permit(m, call, linkVerdict(m, slot), slot.path, target, () =>
      m.files.symlinkat(target, slot.fd, slot.name),
    );
  });
}

/** A link at a place whose inside has rules of its own would lead around them. */
function linkVerdict(m: Mediation, slot: Slot): Verdict {
  if (isTakeoverLink(slot.path))
    return refusal('protected/link', 'a link here would stand in for files that act on the host');
  return strictest([write(m, slot.path), write(m, join(slot.path, 'x'))]);
}

export function makeNode(m: Mediation, call: Mutation, dirfd: number, path: string, mode: number): Answer {
  return withSlot(m, call.pid, dirfd, path, (slot) => {
    if (isDots(slot.name)) return fails(E.EXIST);
    const kind = mode & S.IFMT;
    const plain = kind === 0 || kind === S.IFREG || kind === S.IFIFO || kind === S.IFSOCK;
    const verdict =
      plain && (mode & SETID) === 0
        ? write(m, slot.path)
        : refusal('no-devices', 'device nodes and set-ID files cannot be made');
    return permit(m, call, verdict, slot.path, undefined, () => {
      applyUmask(m, call.pid);
      return m.files.mknodat(slot.fd, slot.name, kind | (mode & 0o1777));
    });
  });
}

/** linkat(2). The source must be writable too: a second name must not give more than the first. */
export function link(
  m: Mediation,
  call: Mutation,
  from: readonly [number, string],
  to: readonly [number, string],
  follow: boolean,
): Answer {
  return withObject(m, call.pid, from[0], from[1], follow, (source) =>
    withSlot(m, call.pid, to[0], to[1], (slot) => {
      if (isDots(slot.name)) return fails(E.EXIST);
      const own = source.stat.nlink === 0 ? [] : [judge(m, source.path, source.stat, ['read', 'write'])];
      const isLink = (source.stat.mode & S.IFMT) === S.IFLNK;
      const verdict = strictest([...own, isLink ? linkVerdict(m, slot) : write(m, slot.path)]);
      return permit(m, call, verdict, source.path, slot.path, () =>
        m.files.linkat(m.proc, m.files.selfPath(source.fd), slot.fd, slot.name, AT.SYMLINK_FOLLOW),
      );
    }),
  );
}

const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;

export function rename(
  m: Mediation,
  call: Mutation,
  from: readonly [number, string],
  to: readonly [number, string],
  flags: number,
): Answer {
  return withSlot(m, call.pid, from[0], from[1], (source) =>
    withSlot(m, call.pid, to[0], to[1], (target) => renameSlots(m, call, source, target, flags)),
  );
}

function renameSlots(m: Mediation, call: Mutation, source: Slot, target: Slot, flags: number): Answer {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) return fails(E.INVAL); // no whiteouts
  if (isDots(source.name) || isDots(target.name)) return fails(E.BUSY);
  const object = m.files.fstatat(source.fd, source.name, AT.SYMLINK_NOFOLLOW);
  if (object === undefined) return fails(E.NOENT);
  const config = isGitConfigRename(m, source, target, flags, write(m, target.path));
  if (config) return permitGitConfig(m, call, source, target);
  const both =
    (flags & RENAME_EXCHANGE) !== 0
      ? m.files.fstatat(target.fd, target.name, AT.SYMLINK_NOFOLLOW)
      : undefined;
  const verdict = strictest([
    moved(m, source.path, target.path),
    ...(both === undefined ? [] : [moved(m, target.path, source.path)]),
    ...movedVerdicts(m, object.mode, source, target),
    ...(both === undefined ? [] : movedVerdicts(m, both.mode, target, source)),
    ...(m.never.has(objectId(object))
      ? [refusal('never-object', 'an object that may never be touched')]
      : []),
  ]);
  return permit(m, call, verdict, source.path, target.path, () => {
    const change = (): number => m.files.renameat2(source.fd, source.name, target.fd, target.name, flags);
    const isUnread = [target, ...(both === undefined ? [] : [source])].some(
      ({ path }) => m.decider.file({ access: 'read', path }).effect !== 'allow',
    );
    const result = isUnread ? m.whileAllIsAsked(change) : change();
    const stale =
      outlivesItsName(m, object, source, target) ||
      (both !== undefined && outlivesItsName(m, both, target, source));
    if (result === 0 && stale) m.forgetReads();
    return result;
  });
}

/**
 * The kernel's cached decisions belong to inodes and move along: those of a directory to whatever will lie in it, those of
 * a file to a name that may be judged otherwise.
 */
function outlivesItsName(m: Mediation, { mode }: { readonly mode: number }, from: Slot, to: Slot): boolean {
  if ((mode & S.IFMT) === S.IFDIR) return true;
  const lost = (verdict: (path: BytePath) => Verdict): boolean =>
    verdict(from.path).effect === 'allow' && verdict(to.path).effect !== 'allow';
  return lost((path) => m.decider.file({ access: 'read', path })) || lost((path) => m.decider.exec(path));
}

/** A directory takes its contents along: each must be writable at its old and at its new name. */
function movedVerdicts(m: Mediation, mode: number, source: Slot, target: Slot): Verdict[] {
  const kind = mode & S.IFMT;
  if (kind === S.IFLNK) return [linkVerdict(m, target)];
  if (kind !== S.IFDIR) return [];
  const worst = contentsVerdict(m, source.path, target.path);
  return worst === undefined ? [] : [worst];
}

function contentsVerdict(m: Mediation, from: BytePath, to: BytePath): Verdict | undefined {
  const pending: (readonly [BytePath, BytePath])[] = [[from, to]];
  let seen = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [oldDirectory, newDirectory] = next;
    for (const entry of entriesOf(oldDirectory)) {
      if (++seen > MAX_SCAN)
        return refusal(
          'rename-scan',
          `more than ${MAX_SCAN} entries would have to be judged to rename this directory`,
        );
      const oldPath = join(oldDirectory, entry.name);
      const newPath = join(newDirectory, entry.name);
      const verdict = moved(m, oldPath, newPath);
      if (verdict.effect !== 'allow') return verdict;
      if (entry.isDirectory()) pending.push([oldPath, newPath]);
      if (entry.isSymbolicLink() && isTakeoverLink(newPath))
        return refusal(
          'protected/link',
          'the directory holds a link that would stand in for files that act on the host',
        );
    }
  }
  return undefined;
}

function permitGitConfig(m: Mediation, call: Mutation, source: Slot, target: Slot): Answer {
  const change = installGitConfig(m, source, target);
  if ('refused' in change)
    return permit(
      m,
      call,
      refusal('protected/git-config', change.refused),
      source.path,
      target.path,
      () => -E.ACCES,
    );
  return permit(m, call, write(m, source.path), source.path, target.path, change.install);
}

export function truncate(m: Mediation, call: Mutation, path: string, length: bigint): Answer {
  return withObject(m, call.pid, AT.FDCWD, path, true, (object) => {
    const kind = object.stat.mode & S.IFMT;
    // Opening anything else could wait for ever, or act on a device; truncate(2) refuses them too.
    if (kind !== S.IFREG) return fails(kind === S.IFDIR ? E.ISDIR : E.INVAL);
    return permit(m, call, judge(m, object.path, object.stat, ['write']), object.path, undefined, () =>
      withOpen(m.files, m.proc, object.fd, O.WRONLY, (fd) => m.files.ftruncate(fd, length)),
    );
  });
}
