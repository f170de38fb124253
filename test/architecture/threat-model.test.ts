// Every test that THREAT-MODEL.md cites exists: a promise without its test would be found here.
import t from 'tap';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
/** In a table a pipe has a backslash before it. */
const document = textOf('daemon/docs/THREAT-MODEL.md').replaceAll('\\|', '|');

/** `test/x/y.test.ts: name of the test` in backquotes. */
const citation = /`(test\/[\w./-]+\.ts): ([^`]+)`/g;
const citations = [...document.matchAll(citation)].map(([, file = '', name = '']) => ({ file, name }));

interface Titles {
  readonly literals: ReadonlySet<string>;
  readonly templates: readonly RegExp[];
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** Titles are literals, or made from a template and literals of the same module. */
function titlesOf(file: string): Titles {
  const literals = new Set<string>();
  const templates: RegExp[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) literals.add(node.text);
    if (ts.isTemplateExpression(node)) {
      const parts = [node.head.text, ...node.templateSpans.map((span) => span.literal.text)];
      // A template of nothing but values would match every name.
      if (parts.join('').length > 3) templates.push(new RegExp(`^${parts.map(escaped).join('(.+)')}$`));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, textOf(file), ts.ScriptTarget.Latest));
  return { literals, templates };
}

function has({ literals, templates }: Titles, name: string): boolean {
  if (literals.has(name)) return true;
  return templates.some((template) => {
    const values = template.exec(name)?.slice(1);
    return values?.every((value) => literals.has(value)) ?? false;
  });
}

t.test('every test that the threat model cites exists', async (t) => {
  t.ok(citations.length > 30, `there are citations to check: ${citations.length}`);
  const files = new Set(globSync('test/**/*.ts', { cwd: root, exclude: ['**/node_modules/**'] }));
  for (const [, file = ''] of document.matchAll(/`(test\/[\w./-]+\.ts)[:`]/g))
    if (!files.has(file)) t.fail(`${file} does not exist`);
  const titles = new Map<string, Titles>();
  for (const { file, name } of citations) {
    if (!files.has(file)) continue;
    if (!titles.has(file)) titles.set(file, titlesOf(file));
    t.ok(has(titles.get(file)!, name), `${file} has the test "${name}"`);
  }
});

t.test('every threat has a test, or says why it has none', async (t) => {
  const rows = document.split('\n').filter((line) => /^\| T\d+ /.test(line));
  t.ok(rows.length > 20, `there are threats: ${rows.length}`);
  for (const row of rows) {
    const last = row.split(' | ').at(-1) ?? '';
    t.match(last, /`test\/|none: /, row.slice(0, 60));
  }
});

t.test('a name that is in no test is found out', async (t) => {
  const made: Titles = {
    literals: new Set(['a door is shut', 'in words']),
    templates: [/^it is (.+) refused$/],
  };
  t.ok(has(made, 'a door is shut'));
  t.ok(has(made, 'it is in words refused'));
  t.notOk(has(made, 'it is by nobody refused'));
  t.notOk(has(made, 'a window is shut'));
});
