import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import type { Options } from 'prettier';
import t from 'tap';
import { syscallsDocument } from '../../daemon/policy/seccomp/document.ts';
import { table } from '../../daemon/policy/seccomp/table.ts';

t.test('docs/SYSCALLS.md says what the table says (UPDATE_GOLDEN=1 rewrites it)', async (t) => {
  const file = fileURLToPath(new URL('../../daemon/docs/SYSCALLS.md', import.meta.url));
  const style = fileURLToPath(new URL('../../.config/prettier.json', import.meta.url));
  const options = JSON.parse(readFileSync(style, 'utf8')) as Options;
  const text = await format(syscallsDocument(), { ...options, parser: 'markdown' });
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  t.equal(text, readFileSync(file, 'utf8'));
});

t.test('every call of the table is on the page once', async (t) => {
  const lines = syscallsDocument().split('\n');
  const names = lines
    .map((line) => /^\| (\w+) \| [\d–]/.exec(line)?.[1])
    .filter((name) => name !== undefined);
  t.same(names.toSorted(), table.map(([name]) => name).toSorted());
});
