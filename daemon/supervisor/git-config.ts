// git writes its configuration as `config.lock`, then renames it over `config`. A repository's configuration can name
// programs that git runs on the host, so the content is judged; what was judged is then written to a new file that
// nobody else holds open, and that file takes the place.
import { AT, E, O } from '../../native-bindings/linux/mod.ts';
import { readSync } from 'node:fs';
import { toText, type Verdict } from '../model/mod.ts';
import type { Mediation } from './mediation.ts';
import type { Slot } from './resolver.ts';

const MAX_BYTES = 256 * 1024;
let counter = 0;

export function isGitConfigRename(
  m: Mediation,
  source: Slot,
  target: Slot,
  flags: number,
  verdict: Verdict,
): boolean {
  return (
    m.mode === 'enforce' &&
    flags === 0 &&
    verdict.effect !== 'allow' &&
    verdict.rule.id === 'builtin/protected/git-config' &&
    source.directory === target.directory &&
    source.name === `${target.name}.lock`
  );
}

type Change = { readonly refused: string } | { readonly install: () => number };

/** Reads both files once, bounded; only these copies are judged and written. */
export function installGitConfig(m: Mediation, source: Slot, target: Slot): Change {
  const after = readBounded(m, source);
  if (after === undefined) return { refused: 'the new git configuration could not be read, or is too large' };
  const before =
    m.files.fstatat(target.fd, target.name, AT.SYMLINK_NOFOLLOW) === undefined ? '' : readBounded(m, target);
  if (before === undefined)
    return { refused: 'the present git configuration could not be read, or is too large' };
  const objection = m.judgeGitConfig(toText(before), toText(after), {
    directory: toText(target.directory),
    workspace: toText(m.workspace),
  });
  if (objection !== undefined) return { refused: objection };
  return { install: () => replace(m, source, target, after) };
}

/** undefined: not a file that can be read, or too large. A link is not followed. */
export function readBounded(m: Mediation, slot: Slot): string | undefined {
  const fd = m.files.openat(slot.fd, slot.name, O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.CLOEXEC);
  if (fd < 0) return undefined;
  try {
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (let n = 1; n > 0 && length <= MAX_BYTES; length += n)
      n = readSync(fd, buffer, length, buffer.length - length, null);
    return length > MAX_BYTES ? undefined : buffer.latin1Slice(0, length);
  } finally {
    m.files.close(fd);
  }
}

function replace(m: Mediation, source: Slot, target: Slot, content: string): number {
  const result = installText(m, target, content);
  if (result >= 0) m.files.unlinkat(source.fd, source.name, 0);
  return result;
}

/** Puts a new file with this content in the target's place. 0 or -errno. */
export function installText(m: Mediation, target: Slot, content: string): number {
  const name = `.${target.name}.cordon-${++counter}`;
  m.files.umask(0o022);
  const fd = m.files.openat(target.fd, name, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC, 0o644);
  if (fd < 0) return fd;
  let written = true;
  for (let at = 0; at < content.length && written; at += 4000)
    written = m.files.writeAll(fd, content.slice(at, at + 4000));
  m.files.close(fd);
  const result = written ? m.files.renameat2(target.fd, name, target.fd, target.name, 0) : -E.NOSPC;
  if (result < 0) m.files.unlinkat(target.fd, name, 0);
  return result;
}
