// The policy verbs need no daemon: they are run on profiles of the test's own.
import { join } from 'node:path';
import t from 'tap';
import { cordon } from './cordon.ts';

const good = `cordon: 1
name: good
version: 2
files:
  - { allow: [read], in: ['\${workspace}'] }
  - { never: [read], in: ['\${home}/.ssh'], because: credentials }
`;
const table = (expect: string): string => `cordon-test: 1
profile: good
cases:
  - { expect: allow, read: '\${workspace}/a' }
  - { expect: ${expect}, read: '\${home}/.ssh/id' }
`;

const files = {
  'good.yaml': good,
  'good.test.yaml': table('deny'),
  'bad.yaml': good.replace('name: good', 'name: bad').replace('version: 2', 'version: 2\nvresion: 3'),
};

t.test('policy check says of a valid profile what it is, by name and by file', async (t) => {
  const directory = t.testdir(files);
  const byName = await cordon(['policy', 'check', 'good', '--profiles', directory]);
  t.match(byName.stdout, /good\.yaml: good version 2 is valid, \d+ rules/);
  t.equal(byName.status, 0);
  const byFile = await cordon(['policy', 'check', './good.yaml', '--json'], { cwd: directory });
  t.match(JSON.parse(byFile.stdout), {
    ok: true,
    file: './good.yaml',
    profile: { name: 'good', version: 2 },
  });
});

t.test('policy check of a broken profile names file, line and key, and fails', async (t) => {
  const directory = t.testdir(files);
  const text = await cordon(['policy', 'check', './bad.yaml'], { cwd: directory });
  t.equal(text.status, 1);
  t.match(text.stdout, /^\.\/bad\.yaml:4: vresion: .*\n {2}.*version/);
  const json = await cordon(['policy', 'check', './bad.yaml', '--json'], { cwd: directory });
  t.equal(json.status, 1);
  t.match(JSON.parse(json.stdout), { ok: false, error: { code: 'policy-invalid', line: 4, key: 'vresion' } });
});

t.test('a profile that does not exist is named, with those that do', async (t) => {
  const directory = t.testdir(files);
  for (const verb of ['check', 'show', 'test']) {
    const outcome = await cordon(['policy', verb, 'nope', '--profiles', directory]);
    t.equal(outcome.status, 1);
    t.match(outcome.stderr, /there is no profile nope\n.*are: .*good/, verb);
  }
});

t.test('policy show fills in the session and says where each rule was written', async (t) => {
  const directory = t.testdir(files);
  const args = [
    'policy',
    'show',
    'good',
    '--profiles',
    directory,
    '--workspace',
    directory,
    '--user',
    'root',
  ];
  const text = await cordon(args);
  t.equal(text.status, 0);
  t.match(text.stdout, `never read`);
  t.match(text.stdout, `${join(directory, 'good.yaml')}:6 (credentials)\n      /root/.ssh`);
  const json = JSON.parse((await cordon([...args, '--json'])).stdout);
  t.match(json, { profile: 'good', version: 2, mode: 'enforce', lineage: ['good'] });
  const none = await cordon([
    'policy',
    'show',
    'good',
    '--profiles',
    directory,
    '--user',
    'nobody-of-that-name',
  ]);
  t.match(none.stderr, /there is no user nobody-of-that-name/);
});

t.test('policy test runs the table beside a profile, a file of its own, or a directory', async (t) => {
  const directory = t.testdir(files);
  for (const operand of [['good', '--profiles', '.'], ['./good.yaml', '--profiles', '.'], ['.']]) {
    const outcome = await cordon(['policy', 'test', ...operand], { cwd: directory });
    t.equal(outcome.stdout, 'good: 2 passed, 0 failed\n', operand.join(' '));
    t.equal(outcome.status, 0);
  }
});

t.test('policy test shows every expectation that is not met, and fails', async (t) => {
  const directory = t.testdir({ ...files, 'good.test.yaml': table('allow') });
  const text = await cordon(['policy', 'test', directory]);
  t.equal(text.status, 1);
  t.match(
    text.stdout,
    /good\.test\.yaml:5: read \/home\/user\/\.ssh\/id: expected allow, got deny by good\/files\[1\]/,
  );
  t.match(text.stdout, /good: 1 passed, 1 failed\n$/);
  const json = JSON.parse((await cordon(['policy', 'test', directory, '--json'])).stdout);
  t.match(json, { ok: false, profiles: [{ profile: 'good', passed: 1, failed: 1 }] });
});

t.test('a profile without a table says how to write one', async (t) => {
  const directory = t.testdir({ 'good.yaml': good });
  const outcome = await cordon(['policy', 'test', 'good', '--profiles', directory]);
  t.equal(outcome.status, 1);
  t.match(
    outcome.stderr,
    /there is no table of expected verdicts beside good\n {2}Write one beside the profile, NAME\.test\.yaml/,
  );
});
