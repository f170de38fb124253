import t from 'tap';
import { join } from 'node:path';
import { builtInProfiles, loadPolicy } from '../../daemon/config/profiles.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import {
  parseManaged,
  policyCheck,
  policyShow,
  policyTest,
  smallestChange,
} from '../../daemon/policy/mod.ts';
import { context, profiles } from './context.ts';

const builtIn = loadPolicy({ profileDirs: [], managedFile: join(builtInProfiles(), 'none') }).sources;

const record = (more: Partial<SessionRecord>): SessionRecord => ({
  id: 's-1',
  session: 's',
  seq: 1,
  time: 0,
  kind: 'file',
  operation: 'open',
  object: '/home/u/notes.txt',
  disposition: 'denied',
  mode: 'enforce',
  generation: 1,
  layer: 'decision',
  reason: '',
  ...more,
});
const ruleOf = (id: string) => ({ id, source: { file: 'p.yaml', line: 0, key: '' } });
const change = (more: Partial<SessionRecord>, profile = 'coding-agent', sources = builtIn) =>
  smallestChange(record(more), profile, sources, context);

t.test('check says what is wrong, or the name, version and digest', async (t) => {
  t.match(policyCheck('cordon: 1\nname: p\nversion: 2\nextends: [base-linux]\n', 'p.yaml', builtIn), {
    ok: true,
    profile: { name: 'p', version: 2, digest: /^[0-9a-f]{64}$/ },
  });
  t.match(policyCheck('cordon: 1\nname: p\nversion: 2\nextends: [nope]\n', 'p.yaml', builtIn), {
    ok: false,
    error: { code: 'policy-invalid', facts: { file: 'p.yaml', line: 4 } },
  });
});

t.test('show prints every rule with file and line, after inheritance and managed settings', async (t) => {
  const managed = parseManaged(
    'managed.yaml',
    'cordon-managed: 1\nfiles:\n  - { never: [read], in: [/x], because: "by order" }\n',
  );
  const { json, text } = policyShow('coding-agent', builtIn, { ...context, managed });
  t.same(json.lineage, ['base-linux', 'home-secrets', 'coding-agent']);
  t.equal(json.managed, 'managed.yaml');
  const last = json.rules.at(-1);
  t.match(last, { id: 'managed/files[0]', effect: 'never', objects: ['/x'], file: 'managed.yaml', line: 3 });
  for (const rule of json.rules) t.match(text, `${rule.file}:${rule.line}`);
  t.match(text, '/home/u/work');
  t.notMatch(text, '${');
  t.match(text, /builtin\/protected\/git-hooks/);
});

t.test('test reports every unmet expectation with file and line', async (t) => {
  const sources = profiles({ p: 'files:\n  - { allow: [read], in: ["${workspace}"] }\n' });
  const text =
    'cordon-test: 1\nprofile: p\ncases:\n  - { expect: allow, read: ["${workspace}/a", /etc/x] }\n  - { expect: deny, rule: builtin/default-deny, write: "${workspace}/a" }\n';
  const report = policyTest({ file: 'p.test.yaml', text }, sources);
  t.match(report, { profile: 'p', passed: 2, failed: 1 });
  t.match(report.results[1], {
    ok: false,
    question: 'read /etc/x',
    expected: 'allow',
    got: 'deny',
    file: 'p.test.yaml',
    line: 4,
  });
  t.throws(
    () =>
      policyTest({ file: 'x', text: 'cordon-test: 1\nprofile: p\ncases: [{ expect: maybe }]\n' }, sources),
    { code: 'policy-invalid' },
  );
});

t.test('the smallest change allows exactly what was denied', async (t) => {
  t.match(change({}), {
    yaml: 'files:\n  - { allow: [read], in: ["${home}/notes.txt"] }\n',
    note: /extends: \[coding-agent\]/,
    file: '',
  });
  t.equal(
    change({ operation: 'create', object: '/srv/x' }).yaml,
    'files:\n  - { allow: [write], in: ["/srv/x/."] }\n',
  );
  t.equal(
    change({ operation: 'rename', object: '/home/u/work/a', object2: '/srv/b' }).yaml,
    'files:\n  - { allow: [write], in: ["/srv/b"] }\n',
    'only what was missing',
  );
  t.equal(
    change({ operation: 'readdir', object: '/srv' }).yaml,
    'files:\n  - { allow: [read], in: ["/srv/."] }\n',
  );
  t.equal(
    change({ kind: 'exec', operation: 'exec', object: '/srv/tool' }).yaml,
    'files:\n  - { allow: [read, exec], in: ["/srv/tool"] }\n',
  );
  t.equal(
    change({ kind: 'connect', operation: 'connect', object: 'example.com:443' }).yaml,
    'network:\n  - { allow: "example.com:443" }\n',
  );
  t.equal(
    change({ kind: 'name', operation: 'answer', object: 'registry.npmjs.org', object2: '10.1.2.3' }).yaml,
    'network:\n  - { allow: "10.1.2.3:443" }\n',
    'a granted name in a private network: the address has to be named',
  );
  t.match(
    change({
      kind: 'connect',
      operation: 'connect',
      object: 'registry.npmjs.org:443',
      rule: { id: 'builtin/egress-authority', source: { file: 'builtin', line: 0, key: 'egress-authority' } },
    }),
    { yaml: '', note: /what the connection itself did/ },
  );
  t.equal(
    change({ kind: 'http', operation: 'GET', object: 'GET http://evil.example:80/a?b=c' }).yaml,
    'network:\n  - { allow: "evil.example:80" }\n',
  );
  t.match(change({ kind: 'http', operation: 'request', object: 'what was no request' }), {
    yaml: '',
    note: /nothing in a profile/,
  });
  t.equal(
    change({ kind: 'name', operation: 'lookup', object: 'example.com' }).yaml,
    'network:\n  - { allow: "example.com:443" }\n',
  );
  t.equal(
    change({ kind: 'connect', operation: 'connect', object: 'api.anthropic.com:443', object2: '10.0.0.1' })
      .yaml,
    'network:\n  - { allow: "10.0.0.1:443" }\n',
  );
  t.equal(
    change({ kind: 'socket', operation: 'connect', object: '/srv/s.sock' }).yaml,
    'sockets:\n  - { allow: ["/srv/s.sock"] }\n',
  );
});

t.test('what has another meaning in a pattern is matched by a question mark', async (t) => {
  const page = change({ operation: 'create', object: '/home/u/site/[slug]/{a}*$.tsx' });
  t.equal(page.yaml, 'files:\n  - { allow: [write], in: ["${home}/site/?slug?/?a???.tsx/."] }\n');
  t.match(page.note, /stands for any one byte/);
  t.equal(change({ object: '/srv/a*b' }).yaml, 'files:\n  - { allow: [read], in: ["/srv/a?b"] }\n');
});

t.test('a directory that was listed is granted alone, as fanotify records it', async (t) => {
  const listed = change({ operation: 'read', object: '/srv/d', detail: { directory: true } });
  t.equal(listed.yaml, 'files:\n  - { allow: [read], in: ["/srv/d/."] }\n');
});

t.test('an exec list that lacks the program is added to', async (t) => {
  const sources = profiles({
    p: 'files:\n  - { allow: [read, exec], in: [/usr] }\nexec:\n  - { allow: [/usr/bin/ls] }\n',
  });
  t.equal(
    change({ kind: 'exec', object: '/usr/bin/cat' }, 'p', sources).yaml,
    'exec:\n  - { allow: ["/usr/bin/cat"] }\n',
  );
});

t.test('for a never rule there is no change, and the reason says so', async (t) => {
  t.match(change({ object: '/home/u/.ssh/id_rsa' }), {
    file: '',
    yaml: '',
    note: /never rule.*home-secrets\.yaml:\d+/,
  });
  t.match(change({ kind: 'exec', object: '/usr/bin/sudo' }), { yaml: '', note: /never rule/ });
});

t.test('for a protected file the change is the grant by name, with its risk', async (t) => {
  const hook = change({ operation: 'create', object: '/home/u/work/.git/hooks/pre-commit' });
  t.equal(hook.yaml, 'protect:\n  - { grant: [git-hooks] }\n');
  t.match(hook.note, /outside the sandbox/);
  t.equal(
    change({ operation: 'create', object: '/home/u/.bashrc' }).yaml,
    'files:\n  - { allow: [write], in: ["${home}/.bashrc/."] }\nprotect:\n  - { grant: [shell-startup] }\n',
  );
});

t.test('a rename that would show what was hidden is explained by what hides it', async (t) => {
  const text = 'files:\n  - { allow: [read, write], in: [/a] }\n  - { allow: [write], in: [/drop] }\n';
  const sources = profiles({ p: `${text}  - { never: [read], in: ["/a/**/.env"], because: "secrets" }\n` });
  const rename = (object: string, object2: string, id = 'builtin/default-deny') =>
    change({ operation: 'rename', object, object2, rule: ruleOf(id) }, 'p', sources);
  t.match(rename('/a/.env', '/a/env2'), { yaml: '', note: /never rule forbids this .*secrets/ });
  t.equal(rename('/drop/x', '/a/x').yaml, 'files:\n  - { allow: [read], in: ["/drop/x"] }\n');
  t.match(
    rename('/a/old', '/a/new', 'p/files[2]'),
    { yaml: '', note: /something in this directory would move along/ },
    'what lies in a directory is judged too',
  );
  t.match(
    rename('/a/old', '/a/new', 'p/files[9]'),
    { yaml: '', note: /as it is now allows/ },
    'the rule is gone',
  );
});

t.test(
  'a change is never for a file that comes with Cordon, and names the file of one that does not',
  (t) => {
    t.match(change({ object: '/srv/a' }, 'default'), {
      file: '',
      note: /default comes with Cordon.*extends: \[default\]/,
    });
    const sources = profiles({ p: '' });
    t.match(change({ object: '/srv/a' }, 'p', sources), { file: sources.get('p')?.file, note: '' });
    t.end();
  },
);

t.test(
  'managed rules, syscalls, odd names and equal denials have an explanation and no change',
  async (t) => {
    const managed = parseManaged(
      'managed.yaml',
      'cordon-managed: 1\nfiles:\n  - { never: [read], in: [/x] }\n',
    );
    t.match(smallestChange(record({ object: '/x' }), 'default', builtIn, { ...context, managed }), {
      yaml: '',
      note: /managed settings/,
    });
    const ptrace = { kind: 'syscall', object: 'ptrace', rule: ruleOf('builtin/syscall/ptrace') } as const;
    t.match(change(ptrace), { yaml: '', note: /system call filter/ });
    const failed = { kind: 'syscall', object: 'execve', reason: 'the mediator failed: x' } as const;
    t.match(change({ ...failed, rule: ruleOf('builtin/mediator-failure') }), {
      yaml: '',
      note: /no profile can allow this: the mediator failed: x/,
    });
    t.match(change({ object: '/srv/a\\xff' }), { yaml: '', note: /no pattern can say/ });
    const half = { operation: 'rename', object: '/home/u/work/a', object2: '/srv/\\xff' };
    t.match(change(half), { yaml: '', note: /no pattern can say/ }, 'one of two names');
    t.match(change({ object: '/home/u/work/a' }), { yaml: '', note: /as it is now allows/ });
    const sources = profiles({ p: 'files:\n  - { deny: [read], in: [/a] }\n' });
    t.match(change({ object: '/a' }, 'p', sources), { yaml: '', note: /Change the rule at p\.yaml:5/ });
  },
);
