// Matching of one path component against a pattern of literals, `*` (any run of bytes, dot files too) and `?` (one
// byte). Linear in the common cases, name × pattern at worst; no regular expressions, so no catastrophic backtracking.

export type Shape = 'literal' | 'any' | 'prefix' | 'suffix' | 'pattern';

const wild = /[*?]/;

export function shapeOf(component: string): Shape {
  if (!wild.test(component)) return 'literal';
  if (component === '*') return 'any';
  if (!wild.test(component.slice(0, -1)) && component.endsWith('*')) return 'prefix';
  if (!wild.test(component.slice(1)) && component.startsWith('*')) return 'suffix';
  return 'pattern';
}

export function matchComponent(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    const c = pattern[p];
    if (c === '*') {
      star = p++;
      resume = n;
    } else if (c !== undefined && (c === '?' || c === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/**
 * Components of a rule. A trailing `**` says nothing that covering what is below does not say already; a trailing `.`
 * means the object alone, nothing below.
 */
export function componentsOf(rule: { readonly base: string; readonly glob: string }): {
  parts: string[];
  alone: boolean;
} {
  const parts = `${rule.base}/${rule.glob}`.split('/').filter((part) => part !== '');
  const dot = parts.at(-1) === '.';
  if (dot) parts.pop();
  // Each object below, alone, is all that is below.
  const alone = dot && parts.at(-1) !== '**';
  while (parts.at(-1) === '**') parts.pop();
  return { parts, alone };
}
