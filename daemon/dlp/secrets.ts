// Finds secrets in a text and takes them out. What stays says which sort was there, and where.
import { randomWords } from './entropy.ts';
import {
  joinedOptions,
  passwordOptions,
  patterns,
  placeOption,
  secretOption,
  userOption,
} from './patterns.ts';
import type { Pattern } from './patterns.ts';

/** UTF-16 code units of a text that are looked at. What is longer loses its rest when secrets are taken out. */
export const maxScanned = 65_536;

export interface Secret {
  readonly name: string;
  /** `[start, end)` in UTF-16 code units. */
  readonly start: number;
  readonly end: number;
}

const mark = (name: string): string => `[redacted:${name}]`;

/** Most texts hold none: these ask once for the words that every pattern begins with, and matter in their case or do not. */
const hint =
  /PRIVATE KEY|A[KSBC]IA|ACCA|gh[pousr]_|github_pat_|gl[a-z]{2,4}-|xox|xapp-|hooks\.slack|sk-|AIza|ya29|GOCSPX|[sr]k_|whsec|npm_|pypi-|SG\.|SK[0-9a-f]|AC[0-9a-f]|do[opr]_v1|hf_|dckr_|dapi|hv[sbr]\.|AT[AC]TT3|AGE-SECRET|Key=|:AA|eyJ|:\/\/|pass:/;
const hintInAnyCase =
  /auth|bearer|cookie|pass(?:w|phrase)|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential/i;

const inAnyCase = ({ form }: Pattern): boolean => form.ignoreCase;
const exact = patterns.filter((each) => !inAnyCase(each));
const loose = patterns.filter(inAnyCase);

/** Those that may be found in this text, in the order of the list: what is found first stays. */
function likely(text: string): readonly Pattern[] {
  const byCase = hint.test(text);
  const anyhow = hintInAnyCase.test(text);
  if (byCase) return anyhow ? patterns : exact;
  return anyhow ? loose : [];
}

function* found(text: string): Generator<Secret> {
  for (const { name, form } of likely(text))
    for (const match of text.matchAll(form)) {
      const secret = match.groups?.['secret'];
      const start = secret === undefined ? match.index : match.index + match[0].lastIndexOf(secret);
      yield { name, start, end: start + (secret ?? match[0]).length };
    }
  for (const [start, end] of randomWords(text)) yield { name: 'random', start, end };
}

/** How much it says to name a secret so: a form says more than chance, and the longer one is around the shorter. */
const weight = ({ name, start, end }: Secret): number => (name === 'random' ? 0 : end - start);

/** Secrets of the first `maxScanned` code units, in order. Those that overlap are one, with the name that says most. */
export function secretsIn(text: string): readonly Secret[] {
  const kept: Secret[] = [];
  for (const secret of [...found(text.slice(0, maxScanned))].sort((a, b) => a.start - b.start)) {
    const last = kept.at(-1);
    if (last === undefined || secret.start >= last.end) kept.push(secret);
    else
      kept[kept.length - 1] = {
        name: weight(secret) > weight(last) ? secret.name : last.name,
        start: last.start,
        end: Math.max(last.end, secret.end),
      };
  }
  return kept;
}

/** The text with a mark in place of every secret. */
export function withoutSecrets(text: string): string {
  const scanned = text.length > maxScanned ? `${text.slice(0, maxScanned)}…` : text;
  const secrets = secretsIn(scanned);
  if (secrets.length === 0) return scanned;
  let out = '';
  let from = 0;
  for (const { name, start, end } of secrets) {
    out += scanned.slice(from, start) + mark(name);
    from = end;
  }
  return out + scanned.slice(from);
}

/** Arguments of a program, each by itself and as the value of the option before it. */
export function argumentsWithoutSecrets(argv: readonly string[]): string[] {
  const program = (argv[0] ?? '').split('/').at(-1) ?? '';
  return argv.map((argument, i) => {
    const clean = withoutSecrets(argument);
    if (i === 0 || clean.startsWith('[redacted:')) return clean;
    return valueWithoutSecret(program, argv[i - 1] ?? '', clean);
  });
}

function valueWithoutSecret(program: string, option: string, argument: string): string {
  const joined = joinedOptions.get(program);
  if (joined !== undefined && argument.startsWith(joined) && argument.length > joined.length)
    return argument.startsWith('[redacted:', joined.length) ? argument : `${joined}${mark('option')}`;
  const secret =
    passwordOptions.get(program) === option || (secretOption.test(option) && !placeOption.test(option));
  if (secret && argument !== '' && !argument.startsWith('--')) return mark('option');
  const colon = userOption.test(option) ? argument.indexOf(':') : -1;
  return colon < 1 || argument.startsWith('[redacted:', colon + 1)
    ? argument
    : `${argument.slice(0, colon + 1)}${mark('option')}`;
}
