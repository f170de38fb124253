import t from 'tap';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { lineLimit, longModules, offences, roomOf } from './laws.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const modules = globSync(['daemon/**/*.ts', 'native-bindings/**/*.ts', 'profiles/**/*.ts'], {
  cwd: root,
}).sort();
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

t.test('no module breaks a law', async (t) => {
  t.ok(modules.length > 0, 'there are modules to check');
  for (const [room, paths] of Map.groupBy(modules, roomOf)) {
    const found = paths.flatMap((path) => offences(path, textOf(path)));
    t.strictSame(found, [], `room ${room} keeps the laws (${paths.length} modules)`);
  }
});

t.test('no test has a default export', async (t) => {
  const tests = globSync(['test/**/*.ts'], { cwd: root }).filter((path) => !path.includes('node_modules'));
  const wrong = tests.flatMap((path) =>
    offences(path, textOf(path)).filter((text) => text.endsWith('default export')),
  );
  t.strictSame(wrong, []);
});

t.test('the list of long modules holds only modules that are long', async (t) => {
  for (const [path, reason] of longModules) {
    t.ok(modules.includes(path), `${path} exists`);
    t.ok(textOf(path).split('\n').length - 1 > lineLimit, `${path} is over ${lineLimit} lines`);
    t.ok(reason.length > 20, `${path} has a reason`);
  }
});

// Each law is shown to catch an offence: path, text, and words of the sentence expected.
const offenders: readonly [string, string, string][] = [
  ['daemon/model/x.ts', "import { a } from '../wire/mod.ts';", 'may not import room wire'],
  ['daemon/supervisor/x.ts', "import type { A } from '../decision/mod.ts';", 'may not import room decision'],
  ['daemon/supervisor/x.ts', "const a = await import('../egress/mod.ts');", 'may not import room egress'],
  [
    'daemon/launcher/x.ts',
    "new Worker(new URL('../egress/x.ts', import.meta.url));",
    'may not import room egress',
  ],
  ['daemon/policy/x.ts', "import { readFileSync } from 'node:fs';", 'does no I/O'],
  ['daemon/decision/x.ts', "import { connect } from 'node:net';", 'may not import connect'],
  ['daemon/cli/x.ts', "import { a } from '../audit/mod.ts';", 'may not import room audit'],
  ['daemon/cli/x.ts', "import koffi from 'koffi';", 'lives in native-bindings'],
  ['daemon/audit/x.ts', "import y from 'left-pad';", 'has no home'],
  ['daemon/audit/x.ts', "export * from '../control/mod.ts';", 'may not import room control'],
  [
    'native-bindings/linux/x.ts',
    "import { a } from '../../daemon/model/mod.ts';",
    'may not import room model',
  ],
  ['daemon/audit/x.ts', 'const x = 1; export default x;', 'default export'],
  ['daemon/audit/x.ts', 'const x = 1; export { x as default };', 'default export'],
  ['daemon/audit/x.ts', 'export default function f(): void {}', 'default export'],
  ['daemon/audit/x.ts', 'export const x = process.env;', 'process.env'],
  ['daemon/audit/x.ts', "export const x = process['env'];", 'process.env'],
  ['daemon/audit/x.ts', 'const { env } = process;', 'process.env'],
  ['daemon/nowhere/x.ts', '', 'not in the table'],
  ['daemon/audit/x.ts', "import { a } from '../../test/support/x.ts';", 'imports a test'],
  ['daemon/audit/x.ts', '\n'.repeat(lineLimit + 1), 'lines'],
];

t.test('each law catches its offender', async (t) => {
  for (const [path, text, expected] of offenders) {
    const found = offences(path, text);
    t.equal(found.length, 1, `${JSON.stringify(text.trim())} in ${path} is one offence`);
    t.match(found[0], expected);
  }
});

const innocents: readonly [string, string][] = [
  ['daemon/config/x.ts', 'export const x = process.env;'],
  ['daemon/supervisor/x.ts', "import { open } from '../../native-bindings/linux/mod.ts'; // process.env"],
  [
    'daemon/session/x.ts',
    "import { a } from '../decision/mod.ts'; import { b } from '../supervisor/mod.ts';",
  ],
  ['daemon/decision/x.ts', "import { isIP } from 'node:net';"],
];

t.test('what the laws allow is no offence', async (t) => {
  for (const [path, text] of innocents) t.strictSame(offences(path, text), [], `${path} is innocent`);
});
