// Profiles and managed settings from the disk, as texts for the policy room, and their reload: a change that is broken
// changes nothing and is reported. Directories are searched in order, the built-in profiles last; the first file of a
// name counts, also when it is broken: falling back to another profile of the same name could loosen it.
import { isUtf8 } from 'node:buffer';
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CordonError } from '../model/mod.ts';
import { parseManaged, policyCheck } from '../policy/mod.ts';
import type { ManagedSettings, ProfileSource, ProfileSources } from '../policy/mod.ts';

export const defaultManagedFile = '/etc/cordon/managed.yaml';

export interface PolicyPlaces {
  /** Searched before the built-in profiles, in order; those that do not exist are passed over. */
  readonly profileDirs: readonly string[];
  readonly builtInDir?: string;
  readonly managedFile?: string;
}

export interface PolicyState {
  readonly sources: ProfileSources;
  readonly managed?: ManagedSettings;
  /** Profiles that cannot be used, each with file, line and key. */
  readonly problems: readonly CordonError[];
}

/** Bytes; one more than this and the file is refused. */
const largestFile = 1024 * 1024;

/** Beside the bundle or, when run from source, at the root of the repository. */
export function builtInProfiles(): string {
  const beside = fileURLToPath(new URL('../profiles', import.meta.url));
  return existsSync(beside) ? beside : fileURLToPath(new URL('../../profiles', import.meta.url));
}

/** Everything as it is on the disk now. Throws only for managed settings: without them nothing may start. */
export function loadPolicy(places: PolicyPlaces): PolicyState {
  const sources = new Map<string, ProfileSource>();
  const problems: CordonError[] = [];
  const builtIn = places.builtInDir ?? builtInProfiles();
  for (const directory of [...places.profileDirs, builtIn]) {
    for (const file of profileFiles(directory)) {
      const name = basename(file, '.yaml');
      if (sources.has(name)) continue;
      const source = attempt(() => readSource(file, directory === builtIn), problems);
      sources.set(name, source ?? unreadable(file));
    }
  }
  for (const [name, { file, text }] of sources) {
    const { error } = policyCheck(text, file, sources, name);
    if (error && !problems.some((each) => each.facts.file === file)) problems.push(error);
  }
  const managed = readManaged(places.managedFile ?? defaultManagedFile);
  return { sources, ...(managed ? { managed } : {}), problems };
}

/** Takes the name, so that no other profile of that name is used, and parses as nothing. */
const unreadable = (file: string): ProfileSource => ({ file, text: '' });

function attempt<T>(read: () => T, problems: CordonError[]): T | undefined {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof CordonError)) throw cause;
    problems.push(cause);
    return undefined;
  }
}

function profileFiles(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw refuse(directory, `the directory cannot be read: ${String(cause)}`, cause);
  }
  return names
    .filter((name) => name.endsWith('.yaml') && !name.endsWith('.test.yaml') && !name.startsWith('.'))
    .sort()
    .map((name) => join(directory, name));
}

function readManaged(file: string): ManagedSettings | undefined {
  return existsSync(file) ? parseManaged(file, readText(file, false)) : undefined;
}

export function readSource(file: string, builtin = false): ProfileSource {
  return { file, text: readText(file, builtin), ...(builtin ? { builtin } : {}) };
}

/** The table of expected verdicts beside a profile, if there is one. */
export function testTableOf(source: ProfileSource): ProfileSource | undefined {
  const file = join(dirname(source.file), `${basename(source.file, '.yaml')}.test.yaml`);
  return existsSync(file) ? readSource(file, source.builtin === true) : undefined;
}

/** Opened once and judged by what was opened. Files that others than root and ourselves can change are refused. */
function readText(file: string, builtin: boolean): string {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw refuse(file, `the file cannot be opened: ${why}`, cause);
  }
  try {
    const { size, mode, uid, isFile } = statOf(fd);
    if (!isFile) throw refuse(file, 'not a regular file');
    if (size > largestFile) throw refuse(file, 'the file is larger than 1 MiB');
    const foreign = uid !== 0 && uid !== process.geteuid?.();
    if (!builtin && (foreign || (mode & 0o022) !== 0)) {
      throw refuse(
        file,
        'the file can be changed by others than its owner, or is owned by another user',
        undefined,
        `chown root ${file}; chmod go-w ${file}`,
      );
    }
    return decode(file, readAll(fd));
  } finally {
    closeSync(fd);
  }
}

function statOf(fd: number) {
  const stat = fstatSync(fd);
  return { size: stat.size, mode: stat.mode, uid: stat.uid, isFile: stat.isFile() };
}

/** The file may grow while it is read: never more than the limit and one byte. */
function readAll(fd: number): Buffer {
  const buffer = Buffer.alloc(largestFile + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

function decode(file: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const line = firstLineNotUtf8(bytes);
    throw refuse(file, 'the line is not UTF-8', cause, 'save the file as UTF-8', line);
  }
}

/** No byte of a character is a line feed (RFC 3629): lines can be looked at one by one. */
function firstLineNotUtf8(bytes: Buffer): number {
  for (let line = 1, from = 0; ; line++) {
    const end = bytes.indexOf(0x0a, from);
    if (end < 0 || !isUtf8(bytes.subarray(from, end))) return line;
    from = end + 1;
  }
}

function refuse(
  file: string,
  what: string,
  cause?: unknown,
  fix = 'correct or remove the file',
  line = 1,
): CordonError {
  return new CordonError('policy-invalid', `${file}:${line}: ${what}`, { file, line, key: '', fix, cause });
}
