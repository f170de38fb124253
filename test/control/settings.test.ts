import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hostEntries, resolvers } from '../../daemon/config/resolver-files.ts';
import { loadSettings, parseSettings } from '../../daemon/config/settings.ts';
import { temporaryDirectory } from '../support/temporary.ts';

t.test('every setting is read, and the command line goes before the file', async (t) => {
  const file = join(temporaryDirectory(t), 'config.yaml');
  const text = `
run-dir: /a
state-dir: /b
profiles: [/c, /d]
admin-group: wheel
pool: 3
default-profile: strict
upstream: ["127.0.0.1:5353", "[::1]:53"]
hosts: { wiki.example: [10.0.0.1] }
`;
  writeFileSync(file, text);
  t.match(loadSettings({ config: file, runDir: '/z' }), {
    runDir: '/z',
    stateDir: '/b',
    profileDirs: ['/c', '/d'],
    adminGroup: 'wheel',
    pool: 3,
    defaultProfile: 'strict',
    upstream: ['127.0.0.1:5353', '[::1]:53'],
    hosts: { 'wiki.example': ['10.0.0.1'] },
  });
});

t.test('attestation names a TPM, never an empty one, and has defaults for the rest', async (t) => {
  const { attestation } = parseSettings('f', 'attestation: { tpm: "swtpm:path=/x", verifier-key: /v }');
  t.same(attestation, {
    tpm: 'swtpm:path=/x',
    bank: 'sha256',
    counter: 0x0181c0d0,
    verifierKey: '/v',
  });
  for (const [text, what] of [
    ['{ tpm: "" }', /tpm: expected/],
    ['{ tpm: "libtss2" }', /tpm: expected/],
    ['{ bank: sha1 }', /bank: expected/],
    ['{ pcrs: [24] }', /pcrs: expected/],
    ['{ counter: 1 }', /counter: expected/],
    ['{ escrow: key.pem }', /escrow: expected/],
    ['{ tmp: none }', /there is no tmp/],
    ['none', /expected a mapping/],
  ] as const)
    t.throws(() => parseSettings('f', `attestation: ${text}`), { message: what });
});

t.test('an empty file leaves the defaults', async (t) => {
  t.strictSame(parseSettings('f', ''), {});
  t.strictSame(parseSettings('f', '# nothing\n'), {});
});

const wrong: readonly [string, object][] = [
  ['pool: 1\nwhitelist: []\n', { line: 2, key: 'whitelist' }],
  ['\n\npool: many\n', { line: 3, key: 'pool' }],
  ['pool: 99\n', { key: 'pool' }],
  ['run-dir: relative\n', { key: 'run-dir' }],
  ['upstream: [dns.example:53]\n', { key: 'upstream' }],
  ['upstream: ["127.0.0.1:70000"]\n', { key: 'upstream' }],
  ['hosts: [a]\n', { key: 'hosts' }],
  ['hosts: { a: [not-an-address] }\n', { key: 'hosts' }],
  ['pool: 1\npool: 2\n', { line: 2 }],
  ['- a list\n', { line: 1 }],
  ['pool: [1\n', { file: 'f' }],
  ['admin-group: &a x\ndefault-profile: *a\n', { line: 2, key: 'default-profile' }],
];
t.test('a wrong setting is an error with file, line and key', async (t) => {
  for (const [text, place] of wrong)
    t.throws(
      () => parseSettings('f', text),
      { code: 'config-invalid', facts: { file: 'f', ...place } },
      text,
    );
});

t.test('a file named on the command line must exist', async (t) => {
  t.throws(() => loadSettings({ config: '/no/such/config.yaml' }), { code: 'config-invalid' });
});

t.test('resolv.conf and hosts are read as far as sessions need them', async (t) => {
  const conf =
    '# c\nnameserver 10.1.1.1\nnameserver ::1 ; x\nsearch a\nnameserver bad\nnameserver 1.1.1.1\nnameserver 2.2.2.2\n';
  t.strictSame(resolvers(conf), ['10.1.1.1:53', '[::1]:53', '1.1.1.1:53']);
  const hosts = '127.0.0.1 localhost\n10.0.0.5 Wiki.Example wiki # c\n::1 ip6-localhost\nfe80::1 wiki\n';
  t.strictSame(hostEntries(hosts), { 'wiki.example': ['10.0.0.5'], wiki: ['10.0.0.5', 'fe80::1'] });
});

t.test('a key that is no text, and an alias inside of a value, are told with their line', (t) => {
  const wrong = (text: string): unknown => {
    try {
      return parseSettings('f', text);
    } catch (error) {
      return error;
    }
  };
  t.match(wrong('admin-group: a\n\n7: x\n'), {
    code: 'config-invalid',
    message: /^f:3: a key is not text/,
  });
  t.match(wrong('upstream: &a [1]\nhosts:\n  b: [*a]\n'), {
    code: 'config-invalid',
    message: /^f:2: hosts: aliases are not used here/,
  });
  t.end();
});
