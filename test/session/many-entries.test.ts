// Renaming a directory judges every name in it, so there is a bound; beyond it the rename is refused, and says why.
import t from 'tap';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { notRoot, testUser } from '../support/user.ts';

const BOUND = 50_000;

t.test('a directory is renamed up to the bound', { skip: notRoot() ?? notBuilt() ?? false }, async (t) => {
  const user = testUser('many');
  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  for (const [name, entries] of [
    ['few', 1000],
    ['many', BOUND + 1],
  ] as const) {
    mkdirSync(join(workspace, name));
    for (let i = 0; i < entries; i++) writeFileSync(join(workspace, name, `${i}`), '');
  }
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  const argv = ['sh', '-c', 'mv -T few a && mv -T many b'];
  const ran = await cordon.run(argv, { user, workspace, profile: 'coding-agent' });
  t.equal(ran.code, 1, ran.stderr);
  t.ok(existsSync(join(workspace, 'a/999')), 'the small one has its new name');
  t.ok(existsSync(join(workspace, `many/${BOUND}`)), 'the large one is where it was');
  const denied = (await cordon.blocks()).filter(({ operation }) => operation === 'rename');
  t.match(denied, [{ object: join(workspace, 'many'), rule: { id: 'builtin/rename-scan' } }]);
  const { notes } = await cordon.explain(denied[0]?.id ?? '');
  t.match(notes.join(' '), /no profile can allow this: more than 50000 entries/);
});
