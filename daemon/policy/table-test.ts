// `policy test`: a profile's own table of expected verdicts.
import { canonicalAddress, createDecider } from '../decision/mod.ts';
import { normalise, toBytes } from '../model/mod.ts';
import type { BytePath, Decider, NetworkQuery, Verdict } from '../model/mod.ts';
import { compile } from './compile.ts';
import { parseDestination } from './destination.ts';
import { readDocument } from './document.ts';
import { fillBytes, valuesOf } from './pattern.ts';
import { validate } from './schema.ts';
import type { CompileContext, Place, ProfileSource, ProfileSources } from './source.ts';
import type { ManagedSettings } from './managed.ts';

const questions = ['read', 'write', 'exec', 'socket', 'connect', 'lookup'] as const;
type Question = (typeof questions)[number];

interface Case extends Partial<Record<Question, string | readonly string[]>> {
  readonly expect: Verdict['effect'];
  readonly rule?: string;
  readonly never?: boolean;
  readonly address?: string;
}

interface Table {
  readonly profile: string;
  readonly session?: { readonly home?: string; readonly workspace?: string; readonly user?: string };
  readonly cases: readonly Case[];
}

export interface TestResult {
  readonly ok: boolean;
  /** `write /home/u/work/.git/hooks/x` */
  readonly question: string;
  readonly expected: string;
  readonly got: string;
  readonly rule: string;
  readonly reason: string;
  readonly file: string;
  readonly line: number;
}

export interface TestReport {
  readonly profile: string;
  readonly passed: number;
  readonly failed: number;
  readonly results: readonly TestResult[];
}

/** Throws CordonError('policy-invalid') for a table or profile that cannot be read; unmet expectations are results. */
export function policyTest(
  table: ProfileSource,
  sources: ProfileSources,
  managed?: ManagedSettings,
): TestReport {
  const document = readDocument(table.file, table.text);
  validate(document, 'test');
  const { profile, session = {}, cases } = document.value as Table;
  const context: CompileContext = {
    home: path(session.home ?? '/home/user'),
    workspace: path(session.workspace ?? '/home/user/project'),
    tmp: path('/tmp'),
    user: session.user ?? 'user',
    generation: 0,
    ...(managed ? { managed } : {}),
  };
  const decider = createDecider(compile(profile, sources, context).capabilitySet);
  const values = valuesOf(context);
  const results = cases.flatMap((each, i) =>
    expand(each).map(({ question, name }) => {
      const place = document.place(`cases[${i}]`);
      const object = question === 'connect' || question === 'lookup' ? name : fillBytes(name, values);
      return judge(decider, each, question, object, place);
    }),
  );
  const passed = results.filter(({ ok }) => ok).length;
  return { profile, passed, failed: results.length - passed, results };
}

const path = (text: string): BytePath => normalise(toBytes(text));

function expand(each: Case): { question: Question; name: string }[] {
  return questions.flatMap((question) => {
    const names = each[question] ?? [];
    return (typeof names === 'string' ? [names] : names).map((name) => ({ question, name }));
  });
}

function judge(decider: Decider, each: Case, question: Question, object: string, place: Place): TestResult {
  const verdict = ask(decider, question, object, each.address, place);
  const right =
    verdict.effect === each.expect &&
    (each.rule === undefined || verdict.rule.id.startsWith(each.rule)) &&
    (each.never === undefined || verdict.rule.never === each.never);
  const wanted = [each.expect, each.rule, each.never === true ? 'never' : undefined]
    .filter(Boolean)
    .join(' ');
  return {
    ok: right,
    question: `${question} ${object}`,
    expected: wanted,
    got: verdict.effect,
    rule: verdict.rule.id,
    reason: verdict.reason,
    file: place.file,
    line: place.line,
  };
}

function ask(
  decider: Decider,
  question: Question,
  object: string,
  address: string | undefined,
  place: Place,
): Verdict {
  switch (question) {
    case 'read':
    case 'write':
      return decider.file({ access: question, path: normalise(object) });
    case 'exec':
      return decider.exec(normalise(object));
    case 'socket':
      return decider.socket({ path: normalise(object) });
    case 'lookup':
      return decider.network({ host: object });
    case 'connect':
      return decider.network(networkQuery(object, address, place));
  }
}

function networkQuery(text: string, address: string | undefined, place: Place): NetworkQuery {
  const { host, port } = parseDestination(text, place);
  const literal = canonicalAddress(host);
  if (literal !== undefined) return { address: literal, port };
  return address === undefined ? { host, port } : { host, address, port };
}
