import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { LoadedProfiles } from '../../daemon/control/mod.ts';
import { normalise } from '../../daemon/model/mod.ts';
import { until } from '../support/daemon.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const profile = (name: string, more = ''): string =>
  `cordon: 1\nname: ${name}\nversion: 1\nfiles:\n  - { allow: [read, write], in: ["\${workspace}"] }\n${more}`;

interface Ground {
  readonly profiles: LoadedProfiles;
  readonly directory: string;
  readonly said: (string | undefined)[];
  readonly request: (name: string) => Parameters<LoadedProfiles['plan']>[0];
  readonly write: (name: string, text: string) => void;
  /** Lets milliseconds pass. */
  readonly pass: (time: number) => void;
}

function ground(t: Test): Ground {
  const top = temporaryDirectory(t);
  const [directory, builtInDir] = [join(top, 'profiles'), join(top, 'builtin')];
  mkdirSync(directory);
  mkdirSync(builtInDir);
  mkdirSync(join(top, 'work'));
  const write = (name: string, text: string): void => {
    writeFileSync(join(top, 'new'), text, { mode: 0o644 });
    renameSync(join(top, 'new'), join(directory, `${name}.yaml`));
  };
  write('one', profile('one'));
  let now = 0;
  const places = { profileDirs: [directory], builtInDir, managedFile: join(top, 'none') };
  const profiles = new LoadedProfiles(places, () => now);
  t.teardown(() => profiles.close());
  const said: (string | undefined)[] = [];
  profiles.onReload((problem) => said.push(problem));
  const request = (name: string): Parameters<LoadedProfiles['plan']>[0] => ({
    profile: name,
    user: 'ann',
    uid: 1000,
    home: normalise('/home/ann'),
    workspace: normalise(join(top, 'work')),
    generation: 1,
  });
  return { profiles, directory, said, request, write, pass: (time) => (now += time) };
}

t.test('a plan is compiled once for the same request, and carries the generation asked for', async (t) => {
  const { profiles, request } = ground(t);
  const plan = profiles.plan(request('one'));
  t.equal(profiles.plan(request('one')), plan, 'the very same');
  const later = profiles.plan({ ...request('one'), generation: 7 });
  t.equal(later.capabilitySet.generation, 7);
  t.equal(later.capabilitySet.policyDigest, plan.capabilitySet.policyDigest);
  t.throws(() => profiles.plan(request('two')), { code: 'not-found', facts: { fix: /one/ } });
});

t.test(
  'a profile changed on the disk is another plan; a broken one changes nothing and is told',
  async (t) => {
    const { profiles, request, write, said } = ground(t);
    await profiles.start();
    const before = profiles.plan(request('one')).capabilitySet.policyDigest;
    write('one', profile('one', 'network:\n  - { allow: "example.com:443" }\n'));
    await until(() => said.length === 1);
    t.equal(said[0], undefined);
    const after = profiles.plan(request('one')).capabilitySet.policyDigest;
    t.not(after, before);
    write('one', profile('one', 'nonsense: 1\n'));
    await until(() => said.length === 2);
    t.match(said[1], /nonsense/);
    t.equal(profiles.plan(request('one')).capabilitySet.policyDigest, after);
  },
);

t.test(
  'a profile written a moment ago is found by its name, and asking for names reads the disk once a second',
  async (t) => {
    const { profiles, request, write, said, pass } = ground(t);
    write('two', profile('two'));
    t.equal(profiles.plan(request('two')).capabilitySet.profile.name, 'two');
    t.strictSame(said, [undefined], 'it is a reload like any other');
    write('three', profile('three'));
    pass(999);
    t.throws(() => profiles.plan(request('three')), { code: 'not-found' });
    t.throws(() => profiles.plan(request('four')), { code: 'not-found' }, 'there is no such file');
    pass(1);
    t.ok(profiles.plan(request('three')));
    write('five', profile('five', 'nonsense: 1\n'));
    for (let i = 0; i < 3; i++) {
      pass(1000);
      t.throws(() => profiles.plan(request('five')), {
        code: 'not-found',
        facts: { fix: /not in force.*five\.yaml:6: nonsense/ },
      });
    }
    t.match(said, [undefined, undefined, /nonsense/], 'what is broken is told once');
    t.ok(profiles.plan(request('three')), 'the policy in force stays');
    t.throws(() => profiles.plan(request('../profiles/one')), { code: 'not-found' });
  },
);

t.test(
  'a profile given as a file is for administrators, and never one that the session could write',
  async (t) => {
    const { profiles, request, directory } = ground(t);
    const good = join(directory, '..', 'mine.yaml');
    writeFileSync(good, profile('mine'), { mode: 0o644 });
    t.equal(profiles.plan(request(good)).capabilitySet.profile.name, 'mine');
    t.throws(() => profiles.plan({ ...request(good), trusted: false }), { code: 'not-permitted' });
    const inside = join(directory, '..', 'work', 'inside.yaml');
    writeFileSync(inside, profile('inside'), { mode: 0o644 });
    t.throws(() => profiles.plan(request(inside)), { code: 'policy-invalid', message: /may write/ });
    t.throws(() => profiles.plan(request('/no/such/file.yaml')), { code: 'policy-invalid' });
  },
);

t.test('the mode a profile itself says does not depend on the one asked for', async (t) => {
  const { profiles, request } = ground(t);
  t.equal(profiles.ownMode({ ...request('one'), mode: 'monitor' }), 'enforce');
  t.equal(profiles.plan({ ...request('one'), mode: 'monitor' }).capabilitySet.mode, 'monitor');
});
