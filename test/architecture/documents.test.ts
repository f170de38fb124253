// What the documents say of the repository is so: links lead somewhere, commands exist, and no machine of ours shows.
import t from 'tap';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import { verbs } from '../../daemon/cli/table.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const documents = globSync(['*.md', 'daemon/**/*.md', 'profiles/**/*.md', 'test/**/*.md'], {
  cwd: root,
  exclude: ['**/node_modules/**'],
}).sort();
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const outside = (link: string): boolean => /^(https?:|mailto:|#)/.test(link);

t.test('relative links lead to files that exist', async (t) => {
  t.ok(documents.length > 10, `there are documents: ${documents.length}`);
  for (const path of documents) {
    const links = [...textOf(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links
      .filter((link) => !outside(link))
      .filter((link) => !existsSync(join(root, dirname(path), link.replace(/#.*$/, ''))));
    t.strictSame(broken, [], `${path} has ${links.length} links`);
  }
});

t.test('no document names a place of the machine it was written on', async (t) => {
  for (const path of documents) {
    const found = textOf(path).match(/\/(?:work|root|tmp\/[\w-]+\.\w{6})\/[^\s)`]*/g) ?? [];
    t.strictSame(found, [], path);
  }
});

t.test('the commands of the README are scripts of the package', async (t) => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
  const said = [...textOf('README.md').matchAll(/^npm (?:run )?(\w+)/gm)].map(([, name = '']) => name);
  t.ok(said.includes('demo') && said.includes('test'), 'the two commands are there');
  for (const name of said) t.ok(scripts[name] !== undefined, `npm run ${name}`);
});

t.test('the runbooks use commands that exist', async (t) => {
  const known = new Set(verbs.map(({ name }) => name));
  const books = documents.filter((path) => path.startsWith('daemon/docs/runbooks/'));
  t.ok(books.length >= 5);
  for (const path of books) {
    const commands = [...textOf(path).matchAll(/(?:^|[`(|;] *|sudo )cordon ([a-z]+)(?: ([a-z]+))?/gm)];
    const wrong = commands
      .map(([, verb = '', second = '']) => [verb, `${verb} ${second}`])
      .filter((names) => !names.some((name) => known.has(name)));
    t.strictSame(wrong, [], `${path}: ${commands.length} commands`);
  }
});

t.test('every package is in the list of dependencies, with its version', async (t) => {
  const manifest = JSON.parse(textOf('package.json')) as Record<string, Record<string, string>>;
  const list = textOf('daemon/docs/dependencies.md').replace(/ +/g, ' ');
  for (const kind of ['dependencies', 'optionalDependencies', 'devDependencies'])
    for (const [name, version] of Object.entries(manifest[kind] ?? {}))
      t.ok(list.includes(`| ${name} | ${version} |`), `${name} ${version}`);
});
