import t from 'tap';
import { parseSettings } from '../../daemon/config/settings.ts';

t.test('what is not named is kept', async (t) => {
  const text = 'records:\n  redact:\n    paths: hash\n    content: drop\n';
  t.strictSame(parseSettings('f', text).records?.redact, {
    arguments: 'keep',
    paths: 'hash',
    content: 'drop',
  });
  t.equal(parseSettings('f', 'records:\n  sinks: {}\n').records?.redact, undefined);
});

const wrong: readonly (readonly [text: string, line: number, key: string, says: RegExp])[] = [
  ['records:\n  redact: paths\n', 2, 'records.redact', /mapping/],
  ['records:\n  redact:\n    path: hash\n', 3, 'records.redact.path', /arguments, paths, content/],
  [
    'records:\n  redact:\n    paths: hash\n    content: encrypt\n',
    4,
    'records.redact.content',
    /keep, hash, drop or seal/,
  ],
  ['records:\n  redact:\n    arguments: true\n', 3, 'records.redact.arguments', /keep, hash, drop or seal/],
];

t.test('what is wrong is said with file, line and key', async (t) => {
  for (const [text, line, key, says] of wrong)
    t.throws(
      () => parseSettings('f', text),
      { code: 'config-invalid', message: says, facts: { file: 'f', line, key } },
      text,
    );
});
