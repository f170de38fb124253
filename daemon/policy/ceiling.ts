// Two coarse backstops for the launcher, from the file rules: where mutations may be carried out at all, and which
// literal paths are hidden.
import type { FileRule, RuleInfo } from '../model/mod.ts';
import type { CompiledFileRule } from './compile.ts';

/** Private to the sandbox, or device nodes that a read-only mount lets through: no ceiling entry. */
const ownMounts = ['/dev', '/proc', '/sys'];
const writableOwnMounts = ['/dev/shm'];

/**
 * The literal base of every rule that lets something be written. A rule that names one object, which may not exist or
 * may be replaced by a rename, needs its parent; one written as a directory (`${workspace}`, `x/`, `x/**`) does not.
 */
export function writeCeiling(rules: readonly CompiledFileRule[]): string[] {
  const bases = rules
    .filter((rule) => rule.effect !== 'deny' && rule.protective !== true && rule.access.includes('write'))
    .map((rule) => (isOneObject(rule) ? parentOf(rule.base) : rule.base))
    .map((base) => (isUnder(base, '/dev/shm') ? '/dev/shm' : base))
    .filter((base) => !ownMounts.some((mount) => isUnder(base, mount)) || writableOwnMounts.includes(base));
  return disjoint(bases);
}

/** `x/.` is `x` alone, whether or not it is a directory. */
const isOneObject = ({ glob, directory }: CompiledFileRule): boolean =>
  glob === '.' || (glob === '' && !directory);

/** Literal paths that may never be read, whatever else is granted. */
export function masksOf(rules: readonly FileRule[], infos: readonly RuleInfo[]): string[] {
  const never = rules.filter(
    (rule) => infos[rule.rule]?.never === true && rule.access.includes('read') && rule.glob === '',
  );
  return disjoint(never.map((rule) => rule.base));
}

export const parentOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));

export const isUnder = (path: string, directory: string): boolean =>
  path === directory || directory === '/' || path.startsWith(`${directory}/`);

/** Without the entries that lie below another one. */
function disjoint(paths: readonly string[]): string[] {
  const kept: string[] = [];
  for (const path of [...new Set(paths)].sort((a, b) => a.length - b.length)) {
    if (!kept.some((each) => isUnder(path, each))) kept.push(path);
  }
  return kept.sort();
}
