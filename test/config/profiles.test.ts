import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { PolicyWatch } from '../../daemon/config/policy-watch.ts';
import type { PolicyState } from '../../daemon/config/profiles.ts';
import { loadPolicy } from '../../daemon/config/profiles.ts';
import type { CordonError } from '../../daemon/model/mod.ts';

const body = (name: string, more = '') => `cordon: 1\nname: ${name}\nversion: 1\n${more}`;

function places(t: Test) {
  const root = mkdtempSync(join(tmpdir(), 'cordon-profiles-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const [own, builtIn] = [join(root, 'own'), join(root, 'built-in')];
  for (const directory of [own, builtIn]) mkdirSync(directory);
  return {
    root,
    own,
    builtIn,
    places: { profileDirs: [own], builtInDir: builtIn, managedFile: join(root, 'managed.yaml') },
  };
}

t.test(
  'a profile of the machine comes before a built-in one of the same name, also when it is broken',
  async (t) => {
    const { own, builtIn, places: at } = places(t);
    writeFileSync(join(builtIn, 'p.yaml'), body('p'));
    writeFileSync(join(builtIn, 'p.test.yaml'), 'not a profile');
    t.match(loadPolicy(at), { problems: [] });
    t.equal(loadPolicy(at).sources.get('p')?.builtin, true);
    writeFileSync(join(own, 'p.yaml'), body('p', 'filez: []\n'));
    const broken = loadPolicy(at);
    t.equal(broken.sources.get('p')?.file, join(own, 'p.yaml'));
    t.match(broken.problems, [
      { code: 'policy-invalid', facts: { file: join(own, 'p.yaml'), line: 4, key: 'filez' } },
    ]);
  },
);

t.test('a file that others can change, is no file, too large or not UTF-8 is refused by name', async (t) => {
  const { own, places: at } = places(t);
  const file = join(own, 'p.yaml');
  const problem = () => loadPolicy(at).problems.find(({ facts }) => facts.file === file)?.message ?? '';
  writeFileSync(file, body('p'));
  chmodSync(file, 0o666);
  t.match(problem(), /can be changed by others/);
  chmodSync(file, 0o644);
  t.equal(problem(), '');
  writeFileSync(file, Buffer.concat([Buffer.from(body('p')), Buffer.from([0x23, 0xff])]));
  t.match(problem(), /p\.yaml:4: the line is not UTF-8/);
  writeFileSync(file, 'x'.repeat(1024 * 1024 + 1));
  t.match(problem(), /larger than 1 MiB/);
  rmSync(file);
  symlinkSync('/dev/null', file);
  t.match(problem(), /not a regular file/);
  rmSync(file);
  writeFileSync(file, body('q'));
  t.match(problem(), /called q, its file p/);
});

t.test('managed settings that cannot be read stop everything', async (t) => {
  const { places: at } = places(t);
  writeFileSync(at.managedFile, 'cordon-managed: 1\nmode: monitor\n');
  t.throws(() => loadPolicy(at), { code: 'policy-invalid', facts: { file: at.managedFile, line: 2 } });
});

t.test('a change is taken over whole; a broken one changes nothing and is reported', async (t) => {
  const { own, places: at } = places(t);
  writeFileSync(join(own, 'a.yaml'), body('a'));
  let heard: (news: PolicyState | readonly CordonError[]) => void = () => {};
  const watch = new PolicyWatch(at, {
    changed: (state) => heard(state),
    broken: (problems) => heard(problems),
  });
  await watch.start();
  t.teardown(() => watch.close());
  const next = async (change: () => void) => {
    const news = new Promise<PolicyState | readonly CordonError[]>((resolve) => (heard = resolve));
    change();
    return news;
  };

  const added = await next(() => writeFileSync(join(own, 'b.yaml'), body('b', 'extends: [a]\n')));
  t.ok('sources' in added && added.sources.has('b'));
  const before = watch.state;

  const broken = await next(() => {
    writeFileSync(join(own, '.a.new'), body('a', 'oops: 1\n'));
    renameSync(join(own, '.a.new'), join(own, 'a.yaml'));
  });
  t.match(broken, [{ code: 'policy-invalid', facts: { file: join(own, 'a.yaml'), line: 4, key: 'oops' } }]);
  t.equal(watch.state, before);

  const putBack = await next(() => writeFileSync(join(own, 'a.yaml'), body('a')));
  t.ok('sources' in putBack, 'a file put back as it was is whole again, and that is told');
  t.strictSame(watch.problems, []);

  const mended = await next(() => writeFileSync(join(own, 'a.yaml'), body('a', 'mode: monitor\n')));
  t.ok('sources' in mended);
  t.equal(watch.state, mended);

  const managed = await next(() => writeFileSync(at.managedFile, 'cordon-managed: 1\nmodes: [enforce]\n'));
  t.match(managed, { managed: { modes: ['enforce'] } });
});

t.test('a reload that finds nothing new tells nobody', async (t) => {
  const { own, places: at } = places(t);
  writeFileSync(join(own, 'a.yaml'), body('a'));
  const watch = new PolicyWatch(at, { changed: () => t.fail('changed'), broken: () => t.fail('broken') });
  t.equal(watch.reload(), true);
});
