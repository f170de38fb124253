// A file system gives the number of a file that is gone to the next one. What may never be touched is the file that was
// there, not the one that has its number now.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { SandboxShell } from '../support/sandbox-shell.ts';
import { notRoot, testUser } from '../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? false;
const secrets = Array.from({ length: 20 }, (_, n) => `secret-${n}`);
const profile = `cordon: 1
name: reuse
version: 1
extends: [base-linux]
files:
  - { allow: [read, write, exec], in: ["\${workspace}"] }
  - { never: [read, write], in: [${secrets.map((name) => `"\${workspace}/${name}"`).join(', ')}], because: "secret" }
exec:
  - { allow: ["**"] }
`;

t.test('a new file with the number of a removed secret can be read', { skip }, async (t) => {
  const user = testUser('reuse');
  const workspace = mkdtempSync(join(user.home, 'work-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  for (const name of secrets) writeFileSync(join(workspace, name), 'CANARY\n');
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  const cordon = await TestCordon.start({ profiles: { reuse: profile } });
  t.teardown(() => cordon.stop().then(() => undefined));
  const shell = await SandboxShell.start(cordon, { user, workspace, profile: 'reuse' });
  t.teardown(() => shell.hangUp());
  // Another name of one of them is refused as long as it is the same file.
  spawnSync('ln', [join(workspace, 'secret-0'), join(workspace, 'other-name')]);
  const other = await shell.ask('cat other-name');
  t.not(other.code, 0, 'another name of a secret is refused');
  t.notMatch(other.text, 'CANARY');

  const numbers = new Set(secrets.map((name) => statSync(join(workspace, name)).ino));
  for (const name of [...secrets, 'other-name']) rmSync(join(workspace, name));
  const { code, text } = await shell.ask(
    'n=0; while [ $n -lt 200 ]; do echo mine > new-$n; read -r l < new-$n && : >> new-$n || echo "no new-$n"; n=$((n + 1)); done',
  );
  const reused = Array.from({ length: 200 }, (_, n) => statSync(join(workspace, `new-${n}`)).ino);
  t.comment(`${reused.filter((ino) => numbers.has(ino)).length} numbers were given out again`);
  t.equal(code, 0);
  t.equal(text, '', 'every new file can be read and written');
  t.equal(await shell.leave(), 0);
});
