import fc from 'fast-check';
import t from 'tap';
import { createDecider } from '../../daemon/decision/mod.ts';
import type { BytePath, FileAccess } from '../../daemon/model/mod.ts';
import { toBytes } from '../../daemon/model/mod.ts';
import { compile, effectivePolicy, parseManaged } from '../../daemon/policy/mod.ts';
import type { CompileContext } from '../../daemon/policy/mod.ts';
import { context, profiles } from './context.ts';

const plan = (body: string, more: Partial<CompileContext> = {}) =>
  compile('p', profiles({ p: body }), { ...context, ...more });
const decide = (body: string, access: FileAccess, path: string, more: Partial<CompileContext> = {}) =>
  createDecider(plan(body, more).capabilitySet).file({ access, path: toBytes(path) as BytePath });

t.test('an empty profile grants nothing, and rule 0 says so', async (t) => {
  const { capabilitySet, writable, masks, network } = plan('');
  t.equal(capabilitySet.rules[0]?.id, 'builtin/default-deny');
  t.equal(capabilitySet.generation, 7);
  t.same([writable, masks, network], [[], [], false]);
});

t.test('rules carry their id, file, line and key', async (t) => {
  const verdict = decide(
    'files:\n  - { allow: [read], in: [/a] }\n  - { never: [read], in: [/b], because: "keys" }\n',
    'read',
    '/b/x',
  );
  t.match(verdict.rule, {
    id: 'p/files[1]',
    source: { file: 'p.yaml', line: 6, key: 'files[1]' },
    because: 'keys',
    never: true,
  });
  t.match(verdict.reason, /p\.yaml:6.*keys/);
});

t.test('variables are filled in as bytes, and text is UTF-8', async (t) => {
  t.equal(
    decide('files:\n  - { allow: [read], in: ["${home}/Ünï"] }\n', 'read', '/home/u/Ünï/x').effect,
    'allow',
  );
  const odd = '/home/\xff' as BytePath;
  const set = plan('files:\n  - { allow: [read], in: ["${home}/x"] }\n', { home: odd }).capabilitySet;
  t.equal(createDecider(set).file({ access: 'read', path: '/home/\xff/x' as BytePath }).effect, 'allow');
  t.equal(
    decide('files:\n  - { allow: [read], in: ["/var/mail/${user}"] }\n', 'read', '/var/mail/u').effect,
    'allow',
  );
});

t.test('a child adds to its parents, and cannot take back a never', async (t) => {
  const sources = profiles({
    base: 'mode: monitor\nfiles:\n  - { allow: [read], in: [/a] }\n  - { never: [read], in: [/a/secret] }\nlimits: { processes: 5, wall: 1h }\nenvironment: { pass: [A], set: { X: "1", Y: "1" } }\n',
    p: 'extends: [base]\nmode: enforce\nfiles:\n  - { allow: [read], in: [/a/secret/x, /b] }\nlimits: { processes: 9 }\nenvironment: { pass: [B], set: { Y: "${home}" } }\n',
  });
  const made = compile('p', sources, context);
  const decider = createDecider(made.capabilitySet);
  t.equal(decider.file({ access: 'read', path: '/a/secret/x' as BytePath }).effect, 'deny');
  t.equal(decider.file({ access: 'read', path: '/b' as BytePath }).effect, 'allow');
  t.equal(made.capabilitySet.mode, 'enforce');
  t.match(made.limits, { processes: 9, wall: 3600 });
  t.same(made.environment, { pass: ['A', 'B'], set: { X: '1', Y: '/home/u' } });
});

t.test('a parent reached twice counts once', async (t) => {
  const sources = profiles({
    a: 'files:\n  - { allow: [read], in: [/a] }\n',
    b: 'extends: [a]\n',
    c: 'extends: [a]\n',
    p: 'extends: [b, c]\n',
  });
  const { rules } = compile('p', sources, context).capabilitySet;
  t.equal(rules.filter(({ id }) => id === 'a/files[0]').length, 1);
});

t.test('the write ceiling holds the literal bases of what may be written, disjoint', async (t) => {
  const ceiling = (patterns: string) => plan(`files:\n  - { allow: [write], in: [${patterns}] }\n`).writable;
  t.same(ceiling('"${workspace}", "${workspace}/a/"'), ['/home/u/work']);
  t.same(ceiling('"${home}/.claude.json*"'), ['/home/u']);
  t.same(ceiling('"${home}/.npm"'), ['/home/u'], 'may not exist, or be replaced by a rename');
  t.same(ceiling('"${home}/.npm/", "${home}/.cache/**"'), ['/home/u/.cache', '/home/u/.npm']);
  t.same(ceiling('/dev/null, /proc/self/comm, /dev/shm/x'), ['/dev/shm']);
  t.same(plan('files:\n  - { never: [write], in: [/x/] }\n  - { deny: [write], in: [/y/] }\n').writable, []);
});

t.test('masks are the literal paths that may never be read', async (t) => {
  const body =
    'files:\n  - { never: [read], in: ["${home}/.ssh", "${home}/.ssh/x", "**/.env", "/a/*", "/b/**"] }\n  - { never: [write], in: [/c] }\n  - { deny: [read], in: [/d] }\n';
  t.same(plan(body).masks, ['/b', '/home/u/.ssh']);
});

t.test('there is network only when some rule could allow it', async (t) => {
  t.equal(plan('network:\n  - { deny: "*:*" }\n  - { never: "a.com:1" }\n').network, false);
  t.equal(plan('network:\n  - { ask: "*:443" }\n').network, true);
});

t.test('without any allow or ask in exec the file rules decide', async (t) => {
  const files = 'files:\n  - { allow: [exec], in: [/usr] }\n';
  const run = (body: string, path: string) =>
    createDecider(plan(files + body).capabilitySet).exec(path as BytePath).effect;
  t.equal(run('', '/usr/bin/ls'), 'allow');
  t.equal(run('exec:\n  - { never: [/usr/bin/sudo] }\n', '/usr/bin/ls'), 'allow');
  t.equal(run('exec:\n  - { never: [/usr/bin/sudo] }\n', '/usr/bin/sudo'), 'deny');
  t.equal(run('exec:\n  - { allow: [/usr/bin/ls] }\n', '/usr/bin/cat'), 'deny');
});

t.test('a protected file is granted by name only', async (t) => {
  const workspace =
    'files:\n  - { allow: [write], in: ["${workspace}", "${workspace}/.git/hooks/pre-commit"] }\n';
  const hook = '/home/u/work/.git/hooks/pre-commit';
  t.match(decide(workspace, 'write', hook), {
    effect: 'deny',
    rule: { id: 'builtin/protected/git-hooks', never: false },
    reason: /git-hooks by name/,
  });
  t.equal(decide(`${workspace}protect:\n  - { grant: [git-hooks] }\n`, 'write', hook).effect, 'allow');
  t.equal(decide(`${workspace}protect:\n  - { grant: [vscode-settings] }\n`, 'write', hook).effect, 'deny');
});

t.test(
  'the digest names the policy: not its place, generation or session order, but every rule',
  async (t) => {
    const body = 'files:\n  - { allow: [read], in: [/a] }\n';
    const digest = (text: string, more: Partial<CompileContext> = {}) =>
      plan(text, more).capabilitySet.policyDigest;
    t.match(digest(body), /^[0-9a-f]{64}$/);
    t.equal(digest(body), digest(`\n\n${body}`, { generation: 99 }));
    t.not(digest(body), digest(body.replace('/a', '/b')));
    t.not(digest(body), digest(`${body}mode: monitor\n`));
    t.not(digest(body), digest(body, { mode: 'monitor' }));
  },
);

const managed = (body: string) => parseManaged('managed.yaml', `cordon-managed: 1\n${body}`);

t.test('managed settings take away, and their never holds against every profile', async (t) => {
  const body =
    'mode: monitor\nmay-lack: [cgroup]\nfiles:\n  - { allow: [read], in: [/a, /b] }\n  - { allow: [read], in: [/c] }\nprotect:\n  - { grant: [git-hooks, direnv] }\nlimits: { processes: 100 }\n';
  const settings = managed(
    'files:\n  - { never: [read], in: [/b], because: "by order" }\nremove: ["p/files[1]", "other/files[0]"]\nrefuse-grants: [git-hooks]\nmodes: [enforce]\nlimits: { processes: 10, memory: 1GiB, wall: 1h }\nrequire-all-layers: true\n',
  );
  const made = plan(body, { managed: settings });
  const read = (path: string) =>
    createDecider(made.capabilitySet).file({ access: 'read', path: path as BytePath });
  t.equal(read('/a').effect, 'allow');
  t.match(read('/b'), { effect: 'deny', rule: { id: 'managed/files[0]', never: true } });
  t.equal(read('/c').effect, 'deny');
  t.equal(made.capabilitySet.mode, 'enforce');
  t.match(made.limits, { processes: 10, memory: 2 ** 30, wall: 3600 });
  t.same(made.mayLack, []);
  t.ok(made.capabilitySet.rules.some(({ id }) => id === 'builtin/protected/git-hooks'));
  t.notOk(made.capabilitySet.rules.some(({ id }) => id === 'builtin/protected/direnv'));
  t.throws(() => plan(body, { managed: settings, mode: 'monitor' }), { code: 'not-permitted' });
});

t.test('managed settings have no way to loosen', async (t) => {
  for (const body of [
    'files:\n  - { allow: [read], in: [/a] }\n',
    'files:\n  - { deny: [read], in: [/a] }\n',
    'mode: monitor\n',
    'may-lack: [cgroup]\n',
    'protect: []\n',
  ]) {
    t.throws(() => managed(body), { code: 'policy-invalid' }, body);
  }
  const ask = 'files:\n  - { ask: [read], in: [/a/b] }\n  - { allow: [read], in: [/a] }\n';
  t.throws(() => plan(ask, { managed: managed('remove: ["p/files[0]"]\n') }), /not an allow/);
  t.throws(
    () => plan(ask, { managed: managed('remove: ["p/files[9]"]\n') }),
    /there is no rule p\/files\[9\]/,
  );
});

t.test(
  'taking the last exec allow away by management denies, and does not fall back to the file rules',
  async (t) => {
    const body = 'files:\n  - { allow: [exec], in: [/usr] }\nexec:\n  - { allow: [/usr/bin/ls] }\n';
    const made = plan(body, { managed: managed('remove: ["p/exec[0]"]\n') });
    t.equal(createDecider(made.capabilitySet).exec('/usr/bin/ls' as BytePath).effect, 'deny');
  },
);

t.test('managed settings never widen, whatever the profile', async (t) => {
  const part = fc.constantFrom('a', 'b', '*', '**');
  const pattern = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
  const rule = fc.tuple(fc.constantFrom('allow', 'ask', 'deny', 'never'), pattern);
  const path = fc
    .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
    .map((parts) => `/${parts.join('/')}`);
  const rank = { allow: 0, ask: 1, deny: 2 };
  const text = (rules: readonly (readonly [string, string])[]) =>
    rules.length === 0
      ? ''
      : `files:\n${rules.map(([effect, at]) => `  - { ${effect}: [read], in: ["${at}"] }\n`).join('')}`;
  const property = fc.property(
    fc.array(rule, { minLength: 1, maxLength: 5 }),
    pattern,
    path,
    (rules, banned, at) => {
      const removable = rules.findIndex(([effect]) => effect === 'allow');
      const settings = managed(
        `${text([['never', banned]])}${removable < 0 ? '' : `remove: ["p/files[${removable}]"]\n`}`,
      );
      const before = decide(text(rules), 'read', at).effect;
      const after = decide(text(rules), 'read', at, { managed: settings }).effect;
      return rank[after] >= rank[before];
    },
  );
  fc.assert(property, { numRuns: 150 });
  t.pass();
});

t.test('a refusal holds for both spellings of a place that is a link on merged systems', async (t) => {
  const body =
    'files:\n  - { allow: [exec], in: [/] }\n  - { never: [exec], in: [/bin/a, /usr/sbin/b] }\nsockets:\n  - { never: [/var/run/d.sock] }\n';
  const decider = createDecider(plan(body).capabilitySet);
  for (const path of ['/bin/a', '/usr/bin/a', '/sbin/b', '/usr/sbin/b']) {
    t.match(decider.exec(path as BytePath), { effect: 'deny', rule: { never: true } }, path);
  }
  t.match(decider.socket({ path: '/run/d.sock' as BytePath }), { rule: { never: true } });
  const granted = createDecider(plan('files:\n  - { allow: [exec], in: [/bin/a] }\n').capabilitySet);
  t.equal(granted.exec('/usr/bin/a' as BytePath).effect, 'deny', 'a grant is for what it names');
});

t.test('of the attestation that a family of profiles demands, the strictest holds', async (t) => {
  const source = (name: string, more: string): [string, { file: string; text: string }] => [
    name,
    { file: `${name}.yaml`, text: `cordon: 1\nname: ${name}\nversion: 1\n${more}` },
  ];
  const sources = new Map([
    source('strict', 'attestation: hardware\n'),
    source('loose', 'extends: [strict]\nattestation: none\n'),
    source('plain', ''),
  ]);
  t.equal(effectivePolicy('loose', sources).attestation, 'hardware');
  t.equal(effectivePolicy('plain', sources).attestation, 'none');
});
