// A decider written to be read, not to be fast: every rule is tried against every name. The tries are tested against it.
import type { CapabilitySet, Effect, FileAccess, FileRule } from '../../daemon/model/mod.ts';

type Key = readonly [depth: number, literals: number, partials: number, anys: number];

const severity: Record<Effect, number> = { allow: 0, ask: 1, deny: 2 };

function componentMatches(pattern: string, name: string): boolean {
  const source = Array.from(pattern).map((c) =>
    c === '*' ? '.*' : c === '?' ? '.' : c.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'),
  );
  return new RegExp(`^${source.join('')}$`, 's').test(name);
}

/** The depths at which the pattern's last component can match, when the pattern matches a prefix of the name. */
function depths(pattern: readonly string[], name: readonly string[], at = 0): number[] {
  const [head, ...rest] = pattern;
  if (head === undefined) return [at];
  if (head === '**') {
    return Array.from({ length: name.length + 1 }, (_, skip) => skip).flatMap((skip) =>
      depths(rest, name.slice(skip), at + skip),
    );
  }
  const [first, ...others] = name;
  return first !== undefined && componentMatches(head, first) ? depths(rest, others, at + 1) : [];
}

export function keyOf(rule: Pick<FileRule, 'base' | 'glob'>, path: string): Key | undefined {
  const pattern = `${rule.base}/${rule.glob}`.split('/').filter((part) => part !== '');
  const dot = pattern.at(-1) === '.';
  if (dot) pattern.pop();
  const alone = dot && pattern.at(-1) !== '**';
  while (pattern.at(-1) === '**') pattern.pop();
  const name = path.split('/').filter((part) => part !== '');
  const found = depths(pattern, name).filter((depth) => !alone || depth === name.length);
  if (found.length === 0) return undefined;
  const named = pattern.filter((part) => part !== '**');
  const wilds = named.filter((part) => /[*?]/.test(part));
  const anys = wilds.filter((part) => part === '*').length;
  return [Math.max(...found), named.length - wilds.length, wilds.length - anys, anys + (alone ? 1 : 0)];
}

function compare(a: Key, b: Key): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3];
}

/** A labelled rule asks more of who acts; one that denies asks nothing. */
const obligations = ({ label, effect }: FileRule): number =>
  label === undefined || effect === 'deny' ? 0 : 1;

function best(rules: readonly FileRule[], path: string): FileRule | undefined {
  const keyed = rules.flatMap((rule) => {
    const key = keyOf(rule, path);
    return key ? [{ rule, key }] : [];
  });
  keyed.sort(
    (a, b) =>
      compare(b.key, a.key) ||
      severity[b.rule.effect] - severity[a.rule.effect] ||
      obligations(b.rule) - obligations(a.rule) ||
      a.rule.rule - b.rule.rule,
  );
  return keyed[0]?.rule;
}

/** The winning rule's index, 0 for default deny. */
export function referenceFile(
  set: CapabilitySet,
  access: FileAccess,
  path: string,
  list = set.files,
): FileRule | undefined {
  const speaking = list.filter((rule) => rule.access.includes(access));
  const never = (rule: FileRule): boolean => set.rules[rule.rule]!.never;
  const forbidden = best(speaking.filter(never), path);
  if (forbidden) return forbidden;
  const guard = best(
    speaking.filter((rule) => !never(rule) && rule.protective === true),
    path,
  );
  if (guard && guard.effect !== 'allow') return guard;
  return best(
    speaking.filter((rule) => !never(rule) && rule.protective !== true),
    path,
  );
}
