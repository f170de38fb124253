import t from 'tap';
import { CordonError } from '../../daemon/model/mod.ts';
import { compile, parseProfile } from '../../daemon/policy/mod.ts';
import { context, profiles } from './context.ts';

const head = 'cordon: 1\nname: p\nversion: 1\n';

function errorOf(body: string, top = head): CordonError {
  try {
    parseProfile('p.yaml', top + body);
  } catch (error) {
    if (error instanceof CordonError) return error;
    throw error;
  }
  throw new Error(`accepted: ${body}`);
}

interface Expected {
  readonly line: number;
  readonly key: string;
  readonly message: RegExp;
  readonly fix?: RegExp;
}

const cases: Readonly<Record<string, readonly [string, Expected]>> = {
  'an unknown key': [
    'filez: []\n',
    { line: 4, key: 'filez', message: /unknown key; expected one of/, fix: /files/ },
  ],
  'a mode that does not exist yet': [
    'mode: dry-run\n',
    { line: 4, key: 'mode', message: /dry-run does not exist yet/, fix: /monitor/ },
  ],
  'an unknown key in a rule': [
    'files:\n  - { allow: [read], in: [/x], becuase: y }\n',
    { line: 5, key: 'files[0].becuase', message: /unknown key/, fix: /because/ },
  ],
  'an upstream that is none': [
    'network:\n  - { allow: "a.example:80", upstream: tsl }\n',
    { line: 5, key: 'network[0].upstream', message: /"tsl": must match pattern .*plain\|tls/ },
  ],
  'an upstream with a relative file': [
    'network:\n  - { allow: "a.example:80", upstream: { protocol: tls, ca: x.pem } }\n',
    { line: 5, key: 'network[0].upstream.ca', message: /must match pattern/ },
  ],
  'clear text for no token': [
    'network:\n  - { allow: "a.example:80", upstream: plain }\n',
    { line: 5, key: 'network[0].upstream', message: /there is no token/ },
  ],
  'TLS to an address': [
    'network:\n  - { allow: "10.0.0.1:80", upstream: tls }\n',
    { line: 5, key: 'network[0].upstream', message: /an address is granted/, fix: /grant a name/ },
  ],
  'TLS from any port': [
    'network:\n  - { allow: "a.example:*", upstream: tls }\n',
    { line: 5, key: 'network[0].upstream', message: /which port/, fix: /one port/ },
  ],
  'TLS for what is denied': [
    'network:\n  - { deny: "a.example:80", upstream: tls }\n',
    { line: 5, key: 'network[0].upstream', message: /a deny rule carries nothing/ },
  ],
  'an unknown access': [
    'files:\n  - { allow: [reed], in: [/x] }\n',
    { line: 5, key: 'files[0].allow[0]', message: /"reed" is not one of: read, write, exec/, fix: /read/ },
  ],
  'two effects in one rule': [
    'files:\n  - { allow: [read], deny: [write], in: [/x] }\n',
    { line: 5, key: 'files[0]', message: /exactly one of: allow, ask, deny, never/ },
  ],
  'a rule without an effect': [
    'files:\n  - { in: [/x] }\n',
    { line: 5, key: 'files[0]', message: /exactly one of/ },
  ],
  'a rule without a place': [
    'files:\n  - { allow: [read] }\n',
    { line: 5, key: 'files[0]', message: /key in is missing/ },
  ],
  'a relative path': [
    'files:\n  - allow: [read]\n    in:\n      - /ok\n      - src/x\n',
    { line: 8, key: 'files[0].in[1]', message: /not absolute/ },
  ],
  'a tilde': [
    'files:\n  - { allow: [read], in: ["~/x"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /start with/, fix: /\$\{home\}\/x/ },
  ],
  'an unknown variable': [
    'files:\n  - { allow: [read], in: ["${hone}/x"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /\$\{hone\} is not a variable/, fix: /\$\{home\}/ },
  ],
  'a variable in the middle': [
    'files:\n  - { allow: [read], in: ["/x/${home}"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /at the start/ },
  ],
  'a lone dollar': [
    'files:\n  - { allow: [read], in: ["/x/$HOME"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /\$ must start/ },
  ],
  'a partial double star': [
    'files:\n  - { allow: [read], in: ["/x/**y"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /whole component/ },
  ],
  braces: [
    'files:\n  - { allow: [read], in: ["/x/{a,b}"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /no meaning/ },
  ],
  'a bracket': [
    'files:\n  - { allow: [read], in: ["/x/[ab]"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /no meaning/ },
  ],
  dots: [
    'files:\n  - { allow: [read], in: ["/x/../y"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /\.\. component/ },
  ],
  'a host without a port': [
    'network:\n  - { allow: "example.com" }\n',
    { line: 5, key: 'network[0].allow', message: /not name:port/ },
  ],
  'a port out of range': [
    'network:\n  - { allow: ["a.com:99999"] }\n',
    { line: 5, key: 'network[0].allow[0]', message: /not 1 to 65535/ },
  ],
  'a star inside a name': [
    'network:\n  - { allow: "a.*.com:1" }\n',
    { line: 5, key: 'network[0].allow', message: /not a host name/ },
  ],
  'an odd address': [
    'network:\n  - { allow: "127.1:80" }\n',
    { line: 5, key: 'network[0].allow', message: /unusual spelling/ },
  ],
  'a range with host bits': [
    'network:\n  - { allow: "10.1.0.0/8:80" }\n',
    { line: 5, key: 'network[0].allow', message: /bits set/ },
  ],
  'http rules, which nothing enforces yet': [
    'network:\n  - { allow: "a.com:443", http: ["GET /"] }\n',
    { line: 5, key: 'network[0].http', message: /not enforced/ },
  ],
  'an unknown protection': [
    'protect:\n  - { grant: [git-hook] }\n',
    { line: 5, key: 'protect[0].grant[0]', message: /not one of/, fix: /git-hooks/ },
  ],
  'a size without a unit': [
    'limits: { memory: "4" }\n',
    { line: 4, key: 'limits.memory', message: /not understood/, fix: /GiB/ },
  ],
  'a label on a denial': [
    'files:\n  - { never: [read], in: [/x], label: a }\n',
    { line: 5, key: 'files[0].label', message: /no label/ },
  ],
  'an unknown attestation': [
    'tokens: { attestation: yes }\n',
    { line: 4, key: 'tokens.attestation', message: /"yes" is not one of: none, software, hardware/ },
  ],
  'a token that lives too long': [
    'tokens:\n  lifetime: 2h\n',
    { line: 5, key: 'tokens.lifetime', message: /2h is not from 1s to 1h/, fix: /5m/ },
  ],
  'an audience with a space': [
    'tokens: { audiences: ["a b"] }\n',
    { line: 4, key: 'tokens.audiences[0]', message: /"a b"/ },
  ],
  'an unknown row action': [
    'tokens: { rows: [{ database: a, table: b, actions: [drop] }] }\n',
    { line: 4, key: 'tokens.rows[0].actions[0]', message: /not one of/ },
  ],
  'a token on a refusal': [
    'network:\n  - { never: "a.com:80", token: { audience: x, type: dpop } }\n',
    { line: 5, key: 'network[0].token', message: /never rule carries no token/ },
  ],
  'a token on an address': [
    'network:\n  - { allow: "10.1.2.3:80", token: { audience: x, type: dpop } }\n',
    { line: 5, key: 'network[0].token', message: /not read/, fix: /name/ },
  ],
  'an unknown way to carry a token': [
    'network:\n  - { allow: "a.com:80", token: { audience: x, type: basic } }\n',
    { line: 5, key: 'network[0].token.type', message: /not one of: dpop, bearer, upload/ },
  ],
  'a duplicate key': ['files: []\nfiles: []\n', { line: 5, key: 'files', message: /written twice/ }],
  'an anchor': ['extends: &a []\n', { line: 4, key: 'extends', message: /anchors/ }],
  'an alias': ['description: *a\n', { line: 4, key: 'description', message: /lias/ }],
  'a tag': ['description: !!str x\n', { line: 4, key: 'description', message: /tags/ }],
  'a custom tag': ['description: !x x\n', { line: 4, key: '', message: /tag/i }],
  'a merge key': ['environment:\n  <<: {}\n', { line: 5, key: 'environment.<<', message: /unknown key/ }],
  'two documents': ['---\ncordon: 1\n', { line: 4, key: '', message: /more than one YAML document$/ }],
  'a key that is not text': ['1: x\n', { line: 4, key: '', message: /key must be text/ }],
  'broken YAML': ['files: [\n', { line: 5, key: '', message: /not YAML: [^]*[^:]$/ }],
  'a JavaScript tag': [
    'mode: !!js/function "f"\n',
    { line: 4, key: '', message: /not YAML: .*js\/function/ },
  ],
  'a binary tag': ['mode: !!binary eA==\n', { line: 4, key: 'mode', message: /tags/ }],
  'a NUL byte': [
    'files:\n  - { allow: [read], in: ["/x\\0y"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /no meaning/ },
  ],
  'half a character': [
    'files:\n  - { allow: [read], in: ["/x\\ud800"] }\n',
    { line: 5, key: 'files[0].in[0]', message: /not Unicode/ },
  ],
  'a huge scalar': [
    `files:\n  - { allow: [read], in: ["/${'x'.repeat(900_000)}"] }\n`,
    { line: 5, key: 'files[0].in[0]', message: /^.{0,120}…: must NOT have more than 4096 characters/ },
  ],
  'a merge of mappings': [
    'files:\n  - { <<: { allow: [read] }, in: [/x] }\n',
    { line: 5, key: 'files[0]', message: /exactly one of/ },
  ],
  'a number that is none': [
    'limits: { processes: 1e999 }\n',
    { line: 4, key: 'limits.processes', message: /Infinity is not a whole number/, fix: /whole number/ },
  ],
  'one value for many': [
    'files: 3\n',
    { line: 4, key: 'files', message: /3 is not a list/, fix: /\[a, b\]/ },
  ],
  'nested brackets': [`files: ${'['.repeat(17)}\n`, { line: 4, key: '', message: /nested too deep/ }],
  'nested blocks on a line': [
    `files:\n  ${'- '.repeat(17)}x\n`,
    { line: 5, key: '', message: /nested too deep/ },
  ],
  'nested blocks on many lines': [
    Array.from({ length: 18 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
    { line: 21, key: `a${'.a'.repeat(16)}`, message: /nested too deep/ },
  ],
  '__proto__ as a key': ['__proto__: { cordon: 1 }\n', { line: 4, key: '__proto__', message: /unknown key/ }],
};

for (const [what, [body, expected]] of Object.entries(cases)) {
  t.test(`${what} is refused with file, line, key and what was expected`, async (t) => {
    const error = errorOf(body);
    t.equal(error.code, 'policy-invalid');
    t.match(error.message, expected.message);
    t.match(error.message, new RegExp(`^p\\.yaml:${expected.line}: `));
    t.match(error.facts, { file: 'p.yaml', line: expected.line, key: expected.key });
    t.match(error.facts.fix, expected.fix ?? /./);
  });
}

t.test('a wrong version of the grammar, a missing name and an empty file are refused', async (t) => {
  t.match(errorOf('', 'cordon: 2\nname: p\nversion: 1\n').message, /2 is not 1/);
  t.match(errorOf('', 'cordon: 1\nversion: 1\n').message, /name is missing/);
  t.match(errorOf('', '').message, /nothing is not a mapping/);
  t.match(errorOf('', 'x').message, /"x" is not a mapping/);
});

t.test('a file over 1 MiB, and one that would grow or nest without end, are refused quickly', async (t) => {
  t.match(errorOf(`# ${'x'.repeat(1024 * 1024)}`).message, /larger than 1 MiB/);
  const bomb = `a: &a [x]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\n`;
  t.match(errorOf(bomb).message, /anchors/);
  for (const nest of ['[', '{a: ', '- ', '? ', '[a: ', '- ? ', '? - '])
    t.match(errorOf(`files:\n  ${nest.repeat(100_000)}`).message, /^p\.yaml:5: nested too deep$/, nest);
  const stairs = Array.from({ length: 1400 }, (_, i) => `${' '.repeat(i)}a:\n`).join('');
  t.match(errorOf(stairs).message, /nested too deep/);
  const wide = Array.from({ length: 60_000 }, (_, i) => `  k${i}: x`).join('\n');
  t.match(
    errorOf(`environment:\n  set:\n${wide.replaceAll('  k', '    k')}\n    k1: y\n`).message,
    /written twice/,
  );
});

t.test(
  'profiles that extend one another in a circle are refused, and so is a parent that is not there',
  async (t) => {
    const ring = profiles({ a: 'extends: [b]\n', b: 'extends: [c]\n', c: 'extends: [a]\n' });
    t.throws(() => compile('a', ring, context), {
      code: 'policy-invalid',
      message: /c\.yaml:4: extends\[0\]: .*a → b → c → a/,
    });
    t.throws(
      () =>
        compile('x', profiles({ x: 'extends: [basis, base-linx]\n', 'base-linux': '', basis: '' }), context),
      {
        message: /x\.yaml:4: extends\[1\]: there is no profile base-linx/,
        facts: { fix: /base-linux/ },
      },
    );
    t.throws(() => compile('nope', ring, context), { message: /no profile nope/ });
    t.throws(() => compile('part1', profiles({ part1: 'extends: [part2]\n' }), context), {
      message: /no profile part2/,
      facts: { fix: /^the profiles are: / },
    });
  },
);

t.test('a file that calls its profile by another name is refused', async (t) => {
  const sources = new Map([['p', { file: 'p.yaml', text: 'cordon: 1\nname: q\nversion: 1\n' }]]);
  t.throws(() => compile('p', sources, context), { message: /called q, its file p/ });
});

t.test('a session whose paths cannot stand in a pattern is refused', async (t) => {
  const sources = profiles({ p: '' });
  t.throws(() => compile('p', sources, { ...context, workspace: '/' as never }), /workspace is \//);
  t.throws(
    () => compile('p', sources, { ...context, workspace: '/home/u/a*b' as never }),
    /contains \* or \?/,
  );
  t.throws(() => compile('p', sources, { ...context, home: 'relative' as never }), /cannot stand for/);
});
