import t from 'tap';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { argumentsWithoutSecrets, secretsIn, withoutSecrets } from '../../daemon/dlp/mod.ts';
import { joinedOptions, passwordOptions, patterns } from '../../daemon/dlp/patterns.ts';

// Made up here, and put together from parts, so that this file is no finding itself.
const letters = 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG';
const long = letters + letters + letters + letters;
const join = (...parts: readonly string[]): string => parts.join('');

const samples: readonly (readonly [name: string, text: string, secret: string])[] = [
  [
    'private-key',
    join('-----BEGIN OPENSSH PRIVATE', ' KEY-----\nabc\n-----END OPENSSH PRIVATE', ' KEY-----'),
    'abc',
  ],
  ['aws-access-key', join('AK', 'IAIOSFODNN7EXAMPLE'), 'IOSFODNN7EXAMPLE'],
  ['github-token', join('gh', 'p_', letters, 'abcd'), letters],
  ['github-token', join('github', '_pat_', letters), letters],
  ['gitlab-token', join('gl', 'pat-', letters), letters],
  ['slack-token', join('xo', 'xb-123456789012-', letters), letters],
  ['slack-webhook', join('https://hooks.slack', '.com/services/T00000000/B00000000/', letters), letters],
  ['model-api-key', join('s', 'k-ant-api03-', letters), letters],
  ['google-api-key', join('AI', 'za', letters, 'abc'), letters],
  ['google-oauth', join('ya', '29.', letters), letters],
  ['stripe-key', join('s', 'k_live_', letters), letters],
  ['npm-token', join('np', 'm_', letters, 'abcd'), letters],
  ['pypi-token', join('py', 'pi-AgE', letters, letters), letters],
  ['sendgrid-key', join('S', 'G.', letters.slice(0, 22), '.', letters), letters],
  ['twilio-key', join('S', 'K', '0123456789abcdef'.repeat(2)), '0123456789abcdef'],
  ['digitalocean-token', join('do', 'p_v1_', '0123456789abcdef'.repeat(4)), '0123456789abcdef'],
  ['huggingface-token', join('h', 'f_', letters), letters],
  ['docker-token', join('dck', 'r_pat_', letters), letters],
  ['databricks-token', join('da', 'pi', '0123456789abcdef'.repeat(2)), '0123456789abcdef'],
  ['vault-token', join('hv', 's.', letters), letters],
  ['atlassian-token', join('AT', 'ATT3', letters), letters],
  ['age-key', join('AGE-SECRET', '-KEY-1', 'Q'.repeat(58)), 'QQQQQQ'],
  ['azure-key', join('Account', 'Key=', long), long],
  ['telegram-token', join('123456789:A', 'A', letters, 'x'), letters],
  ['jwt', join('ey', 'J', letters, '.ey', 'J', letters, '.', letters), letters],
  ['authorization', join('curl -H "Authoriz', 'ation: Basic dXNlcjpwYXNz"'), 'dXNlcjpwYXNz'],
  ['bearer', join('Bear', 'er ', 'abcdefghijklmnop'), 'abcdefghijklmnop'],
  ['cookie', join('Coo', 'kie: sid=opensesame; a=b'), 'opensesame'],
  ['url-password', 'https://ada:opensesame@example.com/x', 'opensesame'],
  ['assignment', join('DB_PASS', 'WORD=opensesame'), 'opensesame'],
  ['assignment', join('{"api', 'Key": "opensesame"}'), 'opensesame'],
  ['assignment', join('--client-sec', 'ret=opensesame'), 'opensesame'],
  ['assignment', 'openssl rsa -passin pass:opensesame', 'opensesame'],
  ['random', `run ${letters} now`, letters],
];

t.test('every sort of secret is found, taken out, and named', async (t) => {
  for (const [name, text, secret] of samples) {
    const clean = withoutSecrets(text);
    t.notOk(clean.includes(secret), `${name}: ${clean}`);
    t.ok(clean.includes(`[redacted:${name}]`), `${name}: ${clean}`);
    t.equal(withoutSecrets(clean), clean, 'once is enough');
  }
  const unseen = patterns.filter(({ name }) => !samples.some(([known]) => known === name));
  t.strictSame(unseen, [], 'every pattern has a sample');
});

const json = (text: string): string => JSON.stringify({ command: text });
const nested: readonly (readonly [text: string, secret: string, name?: string])[] = [
  // In the arguments of a tool call, which are JSON.
  [json(join('export API', '_KEY="opensesame"')), 'opensesame'],
  [json(JSON.stringify({ password: 'opensesame' })), 'opensesame'],
  [json(json(JSON.stringify({ password: 'opensesame' }))), 'opensesame'],
  [JSON.stringify({ Cookie: 'sid=opensesame; a=b' }), 'opensesame'],
  [json(join('curl -H "Authoriz', 'ation: Basic opensesame"')), 'opensesame'],
  // One inside of another, and one that begins in another.
  [join('Coo', 'kie: a=ey', 'J', letters, '.ey', 'J', letters, '.x; sid=opensesame'), 'opensesame', 'cookie'],
  [
    join('-----BEGIN RSA PRIVATE', ' KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A-1\n\nopensesame'),
    'opensesame',
  ],
  [
    join(
      '-----BEGIN RSA PRIVATE',
      ' KEY-----\nProc-Type: 4,ENCRYPTED\n\nopensesame\n-----END RSA PRIVATE',
      ' KEY-----',
    ),
    'opensesame',
  ],
];

t.test('also where quotes are escaped, and where one secret is inside of another', async (t) => {
  for (const [text, secret, name] of nested) {
    const clean = withoutSecrets(text);
    t.notOk(clean.includes(secret), clean);
    if (name !== undefined) t.ok(clean.includes(`[redacted:${name}]`), clean);
    t.equal(withoutSecrets(clean), clean, 'once is enough');
  }
  const after = withoutSecrets(
    join('-----BEGIN RSA PRIVATE', ' KEY-----\nx-y\n-----END RSA PRIVATE', ' KEY-----\nafter'),
  );
  t.match(after, /after$/, 'what is behind the key stays');
});

const harmless: readonly string[] = [
  'git show 787318e0c1d2a3b4c5d6e7f8091a2b3c4d5e6f70',
  '0b5d2c4e-1f7a-4a51-8f0a-1d5e1d1c2b3a',
  '/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30',
  'src/components/authentication/PasswordResetFormController.test.tsx',
  'node_modules/.bin/tsc --project tsconfig.json',
  'author=Ada Lovelace',
  'PWD=/home/ada',
  'max_tokens=1024',
  'https://example.com:8443/path',
  'the token was refused',
  'thisIsAVeryLongIdentifierOfSomebodyWhoLikesNames',
  'sha512-Zq7Ku0Xr1Gx2Hy3Jz4Kq5Lw6Mx7',
];

t.test('what names things is no secret', async (t) => {
  for (const text of harmless) t.equal(withoutSecrets(text), text);
});

const commands: readonly (readonly [given: readonly string[], kept: readonly string[]])[] = [
  [
    ['gh', 'auth', '--token', 'abc'],
    ['gh', 'auth', '--token', '[redacted:option]'],
  ],
  [
    ['x', '--client-secret', 's', 'file'],
    ['x', '--client-secret', '[redacted:option]', 'file'],
  ],
  [
    ['x', '--password-file', '/a'],
    ['x', '--password-file', '/a'],
  ],
  [
    ['docker', 'login', '--password-stdin', 'host'],
    ['docker', 'login', '--password-stdin', 'host'],
  ],
  [
    ['curl', '-u', 'ada:pw', 'http://x'],
    ['curl', '-u', 'ada:[redacted:option]', 'http://x'],
  ],
  [
    ['git', 'push', '-u', 'origin'],
    ['git', 'push', '-u', 'origin'],
  ],
  [
    ['/usr/bin/sshpass', '-p', 'pw', 'ssh', 'h'],
    ['/usr/bin/sshpass', '-p', '[redacted:option]', 'ssh', 'h'],
  ],
  [
    ['mysql', '-ppw', '-u', 'root'],
    ['mysql', '-p[redacted:option]', '-u', 'root'],
  ],
  [
    ['mkdir', '-p', 'a/b'],
    ['mkdir', '-p', 'a/b'],
  ],
];

t.test('the value of an option that names a secret is taken out', async (t) => {
  for (const [given, kept] of commands) {
    t.strictSame(argumentsWithoutSecrets(given), kept);
    t.strictSame(argumentsWithoutSecrets(kept), kept, 'once is enough');
  }
  t.ok(passwordOptions.size > 0 && joinedOptions.size > 0);
});

const parts = fc.oneof(
  fc.constantFrom(...samples.map(([, text]) => text)),
  fc.constantFrom(
    'token=',
    'Bearer ',
    'Cookie: ',
    '://a:',
    '@',
    '"',
    ' ',
    '\n',
    '[redacted:x]',
    '-----BEGIN ',
    '--',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const mixture = fc.array(parts, { maxLength: 8 }).map((texts) => texts.join(''));

t.test('taking secrets out of any text leaves the rest as it was', async () => {
  fc.assert(
    fc.property(mixture, (text) => {
      let expected = '';
      let from = 0;
      for (const { name, start, end } of secretsIn(text)) {
        assert.ok(start >= from && end > start && end <= text.length);
        expected += `${text.slice(from, start)}[redacted:${name}]`;
        from = end;
      }
      assert.equal(withoutSecrets(text), expected + text.slice(from));
    }),
    { numRuns: 1500 },
  );
});

t.test('the quick look for words passes no secret over', async () => {
  const anyCase = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => text.toLowerCase(),
    (text) => text.toUpperCase(),
  );
  fc.assert(
    fc.property(mixture, anyCase, (given, change) => {
      const text = change(given);
      const some = patterns.some(({ form }) => [...text.matchAll(form)].length > 0);
      assert.ok(!some || secretsIn(text).length > 0);
    }),
    { numRuns: 1500 },
  );
});

t.test(
  'no pattern repeats without bound, or repeats a repetition: time grows with the text alone',
  async (t) => {
    for (const { name, form } of patterns) {
      const plain = form.source.replaceAll(/\\./g, 'x').replaceAll(/\[(?:[^\]])*\]/g, 'c');
      t.notMatch(plain, /[*+]/, `${name} has no * or +`);
      t.notMatch(plain, /\{\d+,\}/, `${name} has no open count`);
      t.notMatch(plain, /\)\{/, `${name} repeats no group`);
    }
  },
);

t.test('a long text is looked at as far as the bound, and the rest is not kept', async (t) => {
  const text = `${'a '.repeat(40_000)} ${join('gh', 'p_', letters)}`;
  t.ok(withoutSecrets(text).length <= 65_537);
});
