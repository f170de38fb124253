// `cordon policy test [NAME|FILE|DIR]`: the tables of expected verdicts that profiles bring along. Needs no daemon.
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { readSource, testTableOf, type PolicyState } from '../../config/profiles.ts';
import { testTablesIn } from '../../config/test-tables.ts';
import { CordonError } from '../../model/mod.ts';
import {
  policyTest as test,
  type ProfileSource,
  type TestReport,
  type TestResult,
} from '../../policy/mod.ts';
import { isFile, localPolicy, unknownProfile } from '../policy-files.ts';
import { printable } from '../text/printable.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

interface Work {
  readonly tables: readonly ProfileSource[];
  readonly policy: PolicyState;
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function noTable(where: string): CordonError {
  return new CordonError('not-found', `there is no table of expected verdicts ${where}`, {
    fix: 'Write one beside the profile, NAME.test.yaml: cordon-test: 1, profile: NAME, cases: […]',
  });
}

/** All tables; those of a directory, whose profiles come first; one file; or the one beside a profile. */
function workOf(context: VerbContext): Work {
  const operand = context.operands[0];
  const policy = localPolicy(context);
  if (operand === undefined) {
    return { tables: [...policy.sources.values()].flatMap((source) => testTableOf(source) ?? []), policy };
  }
  const named = policy.sources.get(operand);
  if (named === undefined && isDirectory(operand)) {
    const directory = resolve(operand);
    return { tables: testTablesIn(directory), policy: localPolicy(context, directory) };
  }
  if (operand.endsWith('.test.yaml')) return { tables: [readSource(operand)], policy };
  if (named === undefined && !isFile(operand)) throw unknownProfile(operand, policy);
  return { tables: [testTableOf(named ?? readSource(operand)) ?? missing(operand)], policy };
}

function missing(operand: string): never {
  throw noTable(`beside ${operand}`);
}

const failureLine = ({ file, line, question, expected, got, rule, reason }: TestResult): string =>
  printable(`${file}:${line}: ${question}: expected ${expected}, got ${got} by ${rule} (${reason})`);

function lines(report: TestReport, { colours }: VerbContext): string[] {
  const { profile, passed, failed } = report;
  const summary = `${printable(profile)}: ${passed} passed, ${failed} failed`;
  const wrong = report.results.filter(({ ok }) => !ok).map(failureLine);
  return [...wrong, failed === 0 ? summary : colours.red(summary)];
}

export const policyTest: VerbAction = (context) => {
  const { tables, policy } = workOf(context);
  if (tables.length === 0) throw noTable(`in ${context.operands[0] ?? 'any directory of profiles'}`);
  const reports = tables.map((table) => test(table, policy.sources, policy.managed));
  const failed = reports.reduce((sum, report) => sum + report.failed, 0);
  if (context.json) context.out(JSON.stringify({ ok: failed === 0, profiles: reports }));
  else context.out(...reports.flatMap((report) => lines(report, context)));
  return Promise.resolve(failed === 0 ? 0 : 1);
};
