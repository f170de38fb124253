// Profiles as files: `<directory>/<name>.yaml`, the first directory that has a name wins, the built-in profiles come
// last. Nothing is parsed here.
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CordonError } from '../model/mod.ts';

/** Bytes; larger files are refused unread. */
export const maxProfileSize = 1 << 20;
export const localProfileDir = '/etc/cordon/profiles';

/** What policy's ProfileSource is, without importing it. */
export interface ProfileText {
  readonly file: string;
  readonly text: string;
  readonly builtin: boolean;
}

/**
 * The `profiles/` beside the program: two levels up from daemon/config and from dist/verbs, one from dist.
 */
export function builtinProfileDir(): string {
  const candidates = ['../../profiles', '../profiles'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  return candidates.find((path) => existsSync(join(path, 'base-linux.yaml'))) ?? candidates[0] ?? '';
}

/** The text of a regular file of at most 1 MiB. The size is checked on the file that is then read. */
export function readProfileFile(file: string, builtin = false): ProfileText {
  const descriptor = openProfile(file);
  try {
    const { size } = checkedStat(file, descriptor);
    if (size > maxProfileSize) {
      throw new CordonError(
        'policy-invalid',
        `${file}: ${size} bytes; a profile has at most ${maxProfileSize}`,
        {
          file,
          fix: 'Split it, and join the parts with extends.',
        },
      );
    }
    return { file, text: readFileSync(descriptor, 'utf8'), builtin };
  } finally {
    closeSync(descriptor);
  }
}

function checkedStat(file: string, descriptor: number): { size: number } {
  const stat = fstatSync(descriptor);
  if (stat.isFile()) return stat;
  throw new CordonError('policy-invalid', `${file} is not a regular file`, { file });
}

function openProfile(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CordonError('not-found', `the profile ${file} cannot be read: ${code}`, {
      file,
      fix: `Profiles are looked for in ${localProfileDir} and among the built-in ones.`,
      cause: error,
    });
  }
}

function namesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((entry) => entry.endsWith('.yaml') && !entry.endsWith('.test.yaml') && !entry.startsWith('.'))
    .sort();
}

/** Name → text, of every profile in these directories and the built-in ones. */
export function readProfiles(directories: readonly string[]): Map<string, ProfileText> {
  const found = new Map<string, ProfileText>();
  const builtin = builtinProfileDir();
  for (const directory of [...directories, builtin]) {
    for (const entry of namesIn(directory)) {
      const name = basename(entry, '.yaml');
      if (!found.has(name)) found.set(name, readProfileFile(join(directory, entry), directory === builtin));
    }
  }
  return found;
}
