// Writing where git takes settings and programs from. Rules name directories called `.git`; git also uses any directory
// that has `objects` and `refs`: a bare repository, the target of a `.git` file, the common directory of a worktree. Such
// a directory is judged as if it were called `.git`. While it has only one of the two, git does not look at it; when the
// other appears, what lies in it already is judged whole.
import { AT, O, S } from '../../native-bindings/linux/mod.ts';
import { toText, type BytePath, type Verdict } from '../model/mod.ts';
import { entriesOf } from './directory.ts';
import { installText, readBounded } from './git-config.ts';
import { refusal, type Mediation } from './mediation.ts';
import { join } from './resolver.ts';

/** May this name be written, created, removed, or made to mean something else? */
export function write(m: Mediation, path: BytePath): Verdict {
  const verdict = m.decider.file({ access: 'write', path });
  if (verdict.effect !== 'allow') return nestedRepository(m, path, verdict) ?? verdict;
  return insideRepository(m, path) ?? becomesRepository(m, path) ?? verdict;
}

const exists = (m: Mediation, path: string): boolean =>
  m.files.fstatat(AT.FDCWD, path, AT.SYMLINK_NOFOLLOW) !== undefined;

const asGit = (m: Mediation, directory: string, rest: string): Verdict =>
  m.decider.file({ access: 'write', path: `${directory}/.git/${rest}` as BytePath });

/** What git takes from the top of a repository besides `hooks/`. */
const tops = ['config', 'config.worktree', 'commondir', 'info/attributes'];

/** Directories that would have to be a repository for this path to matter, and what the path is in them. */
function* readings(path: string): Generator<readonly [directory: string, rest: string]> {
  for (const top of tops) if (path.endsWith(`/${top}`)) yield [path.slice(0, -top.length - 1), top];
  for (let at = path.indexOf('/hooks/'); at > 0; at = path.indexOf('/hooks/', at + 1))
    yield [path.slice(0, at), path.slice(at + 1)];
}

function insideRepository(m: Mediation, path: BytePath): Verdict | undefined {
  for (const [directory, rest] of readings(path)) {
    if (directory.endsWith('/.git') || !exists(m, `${directory}/objects`) || !exists(m, `${directory}/refs`))
      continue;
    const verdict = asGit(m, directory, rest);
    if (verdict.effect !== 'allow') return verdict;
  }
  return undefined;
}

const half = /^(.+)\/(objects|refs)$/s;

function becomesRepository(m: Mediation, path: BytePath): Verdict | undefined {
  const [, directory = '', name] = half.exec(path) ?? [];
  if (directory === '') return undefined;
  const other = name === 'objects' ? 'refs' : 'objects';
  if (!exists(m, `${directory}/${other}`) || exists(m, path)) return undefined;
  return hooksVerdict(m, directory) ?? configVerdict(m, directory as BytePath);
}

function hooksVerdict(m: Mediation, directory: string): Verdict | undefined {
  const stat = m.files.fstatat(AT.FDCWD, `${directory}/hooks`, AT.SYMLINK_NOFOLLOW);
  if (stat === undefined) return undefined;
  const names = (stat.mode & S.IFMT) === S.IFDIR ? entriesOf(`${directory}/hooks`) : [{ name: 'a link' }];
  for (const { name } of names) {
    const verdict = asGit(m, directory, `hooks/${name}`);
    if (verdict.effect !== 'allow') return verdict;
  }
  return undefined;
}

/** A harmless configuration is put into a file of its own: whoever holds the old one open writes to nobody's. */
function configVerdict(m: Mediation, directory: BytePath): Verdict | undefined {
  if (!exists(m, `${directory}/config`) || asGit(m, directory, 'config').effect === 'allow') return undefined;
  const fd = m.files.openat(AT.FDCWD, directory, O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC);
  try {
    const place = { fd, directory, name: 'config', path: join(directory, 'config') };
    const text = fd < 0 ? undefined : readBounded(m, place);
    const objection =
      text === undefined
        ? 'the git configuration here could not be read'
        : m.judgeGitConfig('', toText(text), {
            directory: toText(directory),
            workspace: toText(m.workspace),
          });
    if (objection !== undefined) return refusal('protected/git-config', objection);
    if (m.mode !== 'enforce' || installText(m, place, text ?? '') >= 0) return undefined;
    return refusal(
      'protected/git-config',
      'the git configuration here could not be put in a file of its own',
    );
  } finally {
    if (fd >= 0) m.files.close(fd);
  }
}

/** Settings that are protected below the workspace's root, because somebody may open a tool there. */
const nestedSettings = /\/\.(?:mcp\.json|(?:claude|cursor|codex|gemini)\/[^/]+)$/;

/**
 * In a repository or worktree of its own below the workspace's root they are part of what is checked out: refusing them
 * would make `git clone` and `git worktree add` fail.
 */
function nestedRepository(m: Mediation, path: BytePath, verdict: Verdict): Verdict | undefined {
  const settings = nestedSettings.exec(path);
  if (!verdict.rule.id.startsWith('builtin/protected/') || settings === null) return undefined;
  if (!path.startsWith(`${m.workspace}/`)) return undefined;
  // From the directory that they are the settings of: a repository in `.claude` itself is none of that directory.
  for (let at = settings.index; at > m.workspace.length; at = path.lastIndexOf('/', at - 1))
    if (exists(m, `${path.slice(0, at)}/.git`))
      return m.decider.file({ access: 'write', path, unprotected: true });
  return undefined;
}
