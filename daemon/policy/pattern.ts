// Patterns of paths: variables filled in, checked, and split into a literal base and a glob, as bytes.
import { toBytes } from '../model/mod.ts';
import { invalid } from './source.ts';
import type { CompileContext, Place } from './source.ts';

export interface SplitPattern {
  readonly base: string;
  readonly glob: string;
  /** Written with a trailing slash, or exactly a variable: the author says it is a directory. */
  readonly directory: boolean;
}

const variables = ['home', 'workspace', 'tmp', 'user'] as const;
type Variable = (typeof variables)[number];
const variable = /\$\{([^}]*)\}/g;
const longestPattern = 255;

const isVariable = (name: string): name is Variable => (variables as readonly string[]).includes(name);
const known = variables.map((name) => `\${${name}}`).join(', ');

/** Checks what can be checked without a session: spelling, not values. */
export function checkPattern(text: string, place: Place): void {
  checkVariables(text, place);
  if (text.startsWith('~')) {
    throw invalid(place, `${text} does not start with /`, `write \${home}${text.slice(1)}`);
  }
  if (!/^(?:\/|\*\*(?:\/|$)|\$\{(?:home|workspace|tmp)\}(?:\/|$))/.test(text)) {
    throw invalid(place, `${text} is not absolute`, 'start with /, **/, ${home}, ${workspace} or ${tmp}');
  }
  const rest = text.replace(/^\$\{(?:home|workspace|tmp)\}/, '');
  if (/\$\{(?:home|workspace|tmp)\}/.test(rest)) {
    throw invalid(place, `${text}: a directory variable stands at the start only`, 'write the path out');
  }
  checkComponents(text, place);
}

export function checkVariables(text: string, place: Place): void {
  for (const [whole, name] of text.matchAll(variable)) {
    if (!isVariable(name ?? ''))
      throw invalid(place, `${whole} is not a variable`, `the variables are ${known}`);
  }
  if (/\$\{[^}]*$/.test(text) || /\$(?!\{)/.test(text)) {
    throw invalid(place, `${text}: $ must start a variable`, `the variables are ${known}`);
  }
}

function checkComponents(text: string, place: Place): void {
  // A trailing `/.` is the object alone.
  const parts = text.replace(variable, 'x').replace(/\/\.$/, '').split('/');
  if (parts.length > longestPattern)
    throw invalid(place, 'the pattern has too many components', 'shorten it');
  for (const part of parts) {
    if (part === '.' || part === '..')
      throw invalid(place, `${text} has a ${part} component`, 'write the real path');
    if (part.includes('**') && part !== '**') {
      throw invalid(place, `${text}: ** must be a whole component`, 'write **/name or *name');
    }
    const bad = /[[\]{}\\\0]/.exec(part);
    if (bad) {
      throw invalid(
        place,
        `${text}: ${JSON.stringify(bad[0])} has no meaning in a pattern`,
        'use *, ? and ** only, one rule for every alternative',
      );
    }
  }
}

const wild = /[*?]/;

/** The values of a session, checked once: a home called `a*b` cannot be expressed in a pattern. */
export function valuesOf(context: CompileContext): ReadonlyMap<string, string> {
  const values = new Map<string, string>([
    ['home', context.home],
    ['workspace', context.workspace],
    ['tmp', context.tmp],
    ['user', toBytes(context.user)],
  ]);
  for (const [name, value] of values) {
    const place = { file: 'session', line: 0, key: name };
    const badPath = name !== 'user' && !value.startsWith('/');
    if (badPath || (name === 'user' && /[/\0]/.test(value))) {
      throw invalid(
        place,
        `${JSON.stringify(value)} cannot stand for \${${name}}`,
        'start the session with an absolute path',
      );
    }
    if (wild.test(value))
      throw invalid(place, `${JSON.stringify(value)} contains * or ?`, 'use a directory without them');
  }
  return values;
}

export function fillBytes(text: string, values: ReadonlyMap<string, string>): string {
  return toBytes(text).replace(variable, (_, name: string) => values.get(name) ?? '');
}

export function splitPattern(text: string, values: ReadonlyMap<string, string>): SplitPattern {
  const filled = fillBytes(text, values);
  const parts = filled.split('/').filter((part) => part !== '');
  // Covering what is below is what every rule does.
  while (parts.at(-1) === '**') parts.pop();
  const first = parts.findIndex((part) => part === '.' || wild.test(part));
  const cut = first < 0 ? parts.length : first;
  const bare = /^\$\{(?:workspace|tmp|home)\}$/.test(text);
  return {
    base: `/${parts.slice(0, cut).join('/')}`,
    glob: parts.slice(cut).join('/'),
    directory: bare || /\/\.?$/.test(filled) || /\/\*\*$/.test(filled),
  };
}

const merged: readonly (readonly [string, string])[] = [
  ...['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'].map((name) => [name, `/usr${name}`] as const),
  ['/var/run', '/run'],
];

/**
 * The other spelling of a place that is a link on merged systems (/bin → /usr/bin, /var/run → /run). A refusal holds for
 * both: names are judged as the kernel has them, after links, and policy does not look at the disk.
 */
export function otherSpelling(split: SplitPattern): SplitPattern | undefined {
  for (const pair of merged) {
    for (const [from, to] of [pair, [pair[1], pair[0]]] as const) {
      if (split.base.startsWith(`${from}/`)) return { ...split, base: to + split.base.slice(from.length) };
    }
  }
  return undefined;
}
