import fc from 'fast-check';
import t from 'tap';
import { createDecider } from '../../daemon/decision/mod.ts';
import type { BytePath, Effect, FileAccess } from '../../daemon/model/mod.ts';
import { draft, path, setOf } from './arbitrary.ts';
import type { Draft } from './arbitrary.ts';
import { referenceFile } from './reference.ts';

const rule = (effect: Effect | 'never', pattern: string, more: Partial<Draft> = {}): Draft => {
  const parts = pattern.split('/');
  const wild = parts.findIndex((part) => /[*?]/.test(part));
  const cut = wild < 0 ? parts.length : wild;
  return {
    effect: effect === 'never' ? 'deny' : effect,
    never: effect === 'never',
    protective: false,
    access: ['read', 'write', 'exec'],
    base: parts.slice(0, cut).join('/') || '/',
    glob: parts.slice(cut).join('/'),
    label: undefined,
    ...more,
  };
};
const decide = (rules: readonly Draft[], at: string, access: FileAccess = 'read') =>
  createDecider(setOf(rules)).file({ access, path: at as BytePath });
const severity = { allow: 0, ask: 1, deny: 2 };

t.test('what no rule names is denied by builtin/default-deny', async (t) => {
  const verdict = decide([rule('allow', '/usr')], '/etc/passwd');
  t.match(verdict, { effect: 'deny', rule: { id: 'builtin/default-deny' } });
  t.match(verdict.reason, /no rule grants/);
});

t.test('a rule covers what it names and all below, and nothing beside it', async (t) => {
  const rules = [rule('allow', '/home/u/.ssh')];
  t.equal(decide(rules, '/home/u/.ssh').effect, 'allow');
  t.equal(decide(rules, '/home/u/.ssh/id').effect, 'allow');
  t.equal(decide(rules, '/home/u/.sshfoo').effect, 'deny');
  t.equal(decide(rules, '/home/u').effect, 'deny');
});

t.test('the deeper match wins, then more literals, then the stricter', async (t) => {
  t.equal(decide([rule('allow', '/a'), rule('deny', '/a/b')], '/a/b/c').effect, 'deny');
  t.equal(decide([rule('deny', '/a'), rule('allow', '/a/b')], '/a/b/c').effect, 'allow');
  t.equal(decide([rule('deny', '/a/*'), rule('allow', '/a/b')], '/a/b/c').effect, 'allow');
  t.equal(
    decide([rule('deny', '/**/b'), rule('allow', '/a/*')], '/a/b').effect,
    'allow',
    'a/* and **/b: one literal each, * beats **',
  );
  t.equal(decide([rule('deny', '/**/.env'), rule('allow', '/a/b')], '/a/b/c/.env').effect, 'deny');
  t.equal(decide([rule('ask', '/a'), rule('allow', '/a'), rule('deny', '/b')], '/a/x').effect, 'ask');
});

t.test('never beats a longer allow', async (t) => {
  const verdict = decide([rule('never', '/**/.env'), rule('allow', '/a/b/.env')], '/a/b/.env');
  t.match(verdict, { effect: 'deny', rule: { never: true } });
});

t.test('a protective deny beats a longer allow, and a protective allow only lifts it', async (t) => {
  const hooks = rule('deny', '/**/.git/hooks/*', { protective: true });
  const sample = rule('allow', '/**/.git/hooks/*.sample', { protective: true });
  const all = [hooks, sample, rule('allow', '/ws'), rule('allow', '/ws/.git/hooks/pre-commit')];
  t.equal(decide(all, '/ws/.git/hooks/pre-commit', 'write').effect, 'deny');
  t.equal(decide(all, '/ws/.git/hooks', 'write').effect, 'allow');
  t.equal(
    decide(
      [hooks, rule('allow', '/ws'), rule('allow', '/**/.git/hooks/x.sample', { protective: true })],
      '/ws/.git/hooks/x.sample',
    ).effect,
    'allow',
  );
  t.equal(decide([sample], '/ws/.git/hooks/x.sample').effect, 'deny');
});

t.test('a path that is not normalised is denied', async (t) => {
  const rules = [rule('allow', '/')];
  for (const bad of ['/a/../etc', '/a/./b', '/..', '/.']) t.equal(decide(rules, bad).effect, 'deny', bad);
  t.equal(decide(rules, '/...').effect, 'allow');
  t.equal(decide(rules, '/.x').effect, 'allow');
});

t.test('the tries agree with the naive reference', async (t) => {
  const property = fc.property(
    fc.array(draft, { maxLength: 10 }),
    path,
    fc.constantFrom<FileAccess>('read', 'write', 'exec'),
    (rules, at, access) => {
      const set = setOf(rules);
      const expected = referenceFile(set, access, at);
      const got = createDecider(set).file({ access, path: at as BytePath });
      return got.effect === (expected?.effect ?? 'deny') && got.rule === set.rules[expected?.rule ?? 0];
    },
  );
  fc.assert(property, { numRuns: 5000 });
  t.pass();
});

t.test('agrees with the reference also where many patterns stand in one place', async (t) => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 });
  const pattern = fc
    .tuple(word, word, fc.constantFrom('*', '?'), fc.constantFrom('prefix', 'suffix', 'within'))
    .map(([a, b, wild, where]) =>
      where === 'prefix' ? `${a}${wild}` : where === 'suffix' ? `${wild}${b}` : `${a}${wild}${b}`,
    );
  const rules = fc.array(
    fc.tuple(draft, pattern).map(([each, glob]) => ({ ...each, base: '/ws', glob })),
    { minLength: 12, maxLength: 60 },
  );
  const property = fc.property(rules, fc.array(word, { minLength: 1, maxLength: 3 }), (drafts, names) => {
    const set = setOf(drafts);
    const at = `/ws/${names.join('/')}`;
    const expected = referenceFile(set, 'read', at);
    const got = createDecider(set).file({ access: 'read', path: at as BytePath });
    return got.effect === (expected?.effect ?? 'deny') && got.rule === set.rules[expected?.rule ?? 0];
  });
  fc.assert(property, { numRuns: 2000 });
  t.pass();
});

t.test('the order of the rules does not matter', async (t) => {
  const property = fc.property(fc.array(draft, { maxLength: 8 }), path, fc.nat(), (rules, at, seed) => {
    const turned = [
      ...rules.slice(seed % (rules.length || 1)),
      ...rules.slice(0, seed % (rules.length || 1)),
    ].reverse();
    return decide(rules, at).effect === decide(turned, at).effect;
  });
  fc.assert(property, { numRuns: 2000 });
  t.pass();
});

t.test('adding a deny or a never, or taking an allow away, never widens', async (t) => {
  const property = fc.property(fc.array(draft, { maxLength: 8 }), draft, path, (rules, extra, at) => {
    const before = severity[decide(rules, at).effect];
    const added = severity[decide([...rules, { ...extra, effect: 'deny', protective: false }], at).effect];
    const taken = rules.filter(
      (each, i) => i !== rules.findIndex((r) => r.effect === 'allow' && !r.protective) || each.never,
    );
    return added >= before && severity[decide(taken, at).effect] >= before;
  });
  fc.assert(property, { numRuns: 3000 });
  t.pass();
});

t.test(
  'a uniform directory has no child that differs, and exceptions name the children that might',
  async (t) => {
    const child = fc.constantFrom('a', 'b', 'ab', 'c', '.e', 'zz');
    const exec = fc.array(
      draft.map((d): Draft => ({ ...d, access: ['exec'], protective: false })),
      { maxLength: 3 },
    );
    const property = fc.property(
      fc.array(draft, { maxLength: 6 }),
      exec,
      path,
      child,
      fc.constantFrom('read', 'exec'),
      (rules, list, dir, name, access) => {
        const decider = createDecider(setOf(rules, [], list));
        const at = (dir === '/' ? `/${name}` : `${dir}/${name}`) as BytePath;
        const verdict = access === 'exec' ? decider.exec(at) : decider.file({ access, path: at });
        const plain = verdict.effect === 'allow' && verdict.obligations.length === 0;
        if (decider.uniformBelow(dir as BytePath, access)) return plain;
        return true;
      },
    );
    fc.assert(property, { numRuns: 5000 });
    const decider = createDecider(
      setOf([
        rule('allow', '/home/u'),
        rule('never', '/**/.env'),
        rule('deny', '/home/u/.ssh'),
        rule('deny', '/home/u/x/deep'),
        rule('deny', '/**/*.pem'),
      ]),
    );
    t.same(
      decider
        .exceptionsIn('/home/u/src' as BytePath, 'read')
        .map((e) => e.name)
        .sort(),
      ['*.pem', '.env'],
    );
    t.same(
      decider
        .exceptionsIn('/home/u' as BytePath, 'read')
        .map((e) => e.name)
        .sort(),
      ['*.pem', '.env', '.ssh'],
    );
    t.equal(decider.uniformBelow('/home/u' as BytePath, 'read'), false);
  },
);

t.test(
  'a directory is uniform although something deeper differs, for its direct children do not',
  async (t) => {
    const decider = createDecider(setOf([rule('allow', '/home/u'), rule('deny', '/home/u/x/deep')]));
    t.equal(decider.uniformBelow('/home/u' as BytePath, 'read'), true);
    t.equal(decider.uniformBelow('/home/u/x' as BytePath, 'read'), false);
  },
);

t.test(
  'an exec needs the file rules and the exec list, and the stricter of both is the verdict',
  async (t) => {
    const files = [rule('allow', '/usr')];
    const without = createDecider(setOf(files));
    t.equal(without.exec('/usr/bin/sudo' as BytePath).effect, 'allow');
    const listed = createDecider(setOf(files, [], [rule('allow', '/**'), rule('never', '/usr/bin/sudo')]));
    t.match(listed.exec('/usr/bin/sudo' as BytePath), { effect: 'deny', rule: { never: true } });
    t.equal(listed.exec('/usr/bin/ls' as BytePath).effect, 'allow');
    t.equal(listed.exec('/opt/ls' as BytePath).effect, 'deny');
    t.equal(
      createDecider(setOf(files, [], [rule('never', '/x')])).exec('/usr/bin/ls' as BytePath).effect,
      'deny',
    );
  },
);

t.test('a label is an obligation of the verdict that allows', async (t) => {
  t.same(decide([rule('ask', '/docs', { label: 'confidential' })], '/docs/a').obligations, [
    { kind: 'label', label: 'confidential' },
  ]);
});
