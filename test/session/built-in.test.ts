// The built-in profiles that no agent of test/e2e runs under, in real sessions: what they say of themselves is so.
import t, { type Test } from 'tap';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { notBuilt, TestCordon, type SessionFacts } from '../support/cordon.ts';
import { processesNaming } from '../support/leftovers.ts';
import { SandboxShell } from '../support/sandbox-shell.ts';
import { notRoot, testUser, type TestUser } from '../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? false;

interface Scene {
  readonly cordon: TestCordon;
  readonly shell: SandboxShell;
  readonly user: TestUser;
  readonly workspace: string;
  readonly facts: SessionFacts;
}

async function begin(t: Test, profile: string): Promise<Scene> {
  const user = testUser('builtin');
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  put(join(workspace, 'file'), 'WORK\n');
  for (const name of [
    'Documents/letter',
    '.bash_history',
    '.mozilla/firefox/key4.db',
    '.local/share/keyrings/login.keyring',
  ])
    put(join(user.home, name), 'PRIVATE\n');
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, user.home]);
  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  const shell = await SandboxShell.start(cordon, { user, workspace, profile });
  return { cordon, shell, user, workspace, facts: await cordon.sessionIn(workspace) };
}

t.test(
  'locked-down: reads its workspace, writes nothing that lasts, has no network and no egress',
  { skip },
  async (t) => {
    const { cordon, shell, workspace, facts } = await begin(t, 'locked-down');
    t.match(await shell.ask('cat file'), { code: 0, text: /WORK/ });
    t.not((await shell.ask('echo x > new')).code, 0);
    t.not((await shell.ask('echo x >> file')).code, 0);
    t.not((await shell.ask('rm -f file && [ ! -e file ]')).code, 0);
    t.notOk(existsSync(join(workspace, 'new')));
    t.equal(readFileSync(join(workspace, 'file'), 'utf8'), 'WORK\n');
    t.equal(
      (await shell.ask('echo x > /tmp/scratch && cat /tmp/scratch')).code,
      0,
      'scratch places are there',
    );
    t.not((await shell.ask('cp /bin/true /tmp/mine && /tmp/mine')).code, 0, 'but run nothing');
    t.not((await shell.ask(': < /dev/tcp/192.0.2.1/443')).code, 0);
    t.not((await shell.ask('getent hosts example.com')).code, 0);
    const of = (pid: number): boolean => processesNaming('egress.js').some(({ parent }) => parent === pid);
    t.notOk(of(facts.supervisorPid), 'a session without network has no egress process');
    const denied = (await cordon.blocks(facts.session)).map(({ kind, object }) => `${kind} ${object}`);
    for (const expected of [
      `file ${workspace}/new`,
      `file ${workspace}/file`,
      'exec /tmp/mine',
      'connect 192.0.2.1:443',
    ])
      t.ok(denied.includes(expected), `${expected} is on record`, { denied });
    t.equal(await shell.leave(), 0);
  },
);

t.test(
  'desktop-assistant: no document without being asked, no history, browser profile or keyring',
  { skip },
  async (t) => {
    const { cordon, shell, user, workspace, facts } = await begin(t, 'desktop-assistant');
    t.match(await shell.ask('cat file && echo x > new'), { code: 0, text: /WORK/ });
    t.ok(existsSync(join(workspace, 'new')));
    const secrets = [
      'Documents/letter',
      '.bash_history',
      '.mozilla/firefox/key4.db',
      '.local/share/keyrings/login.keyring',
    ];
    for (const name of secrets) {
      const read = await shell.ask(`cat ~/${name}`);
      t.not(read.code, 0, name);
      t.notMatch(read.text, /PRIVATE/);
    }
    t.not((await shell.ask('echo x > ~/Documents/new')).code, 0);
    t.notOk(existsSync(join(user.home, 'Documents/new')));
    const blocks = await cordon.blocks(facts.session);
    for (const name of secrets) {
      const path = join(user.home, name);
      // What is never shown may be refused at a directory above it.
      const found = blocks.find(({ object }) => object === path || path.startsWith(`${object}/`));
      t.ok(found, `${name} is on record`, { blocks: blocks.map(({ object }) => object) });
    }
    const letter = blocks.find(({ object }) => object.endsWith('Documents/letter'));
    t.match(letter?.reason, /approv|ask/i, 'and that it would have been asked for');
    t.equal(await shell.leave(), 0);
  },
);
