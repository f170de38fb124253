// A directory whose reads the kernel remembers as a whole, and a name in it that is never to be read: it appears later.
import t from 'tap';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { SandboxShell } from '../support/sandbox-shell.ts';
import { notRoot, testUser } from '../support/user.ts';

const profile = `cordon: 1
name: cache
version: 1
extends: [coding-agent]
files:
  - { never: [read, write], in: ["**/.env"], because: "credentials" }
`;

/** How `.env` comes into `place`; `beside` is a directory on the same file system that the agent may read. */
const ways: readonly (readonly [title: string, make: (place: string, beside: string) => void])[] = [
  ['is written by somebody outside', (place) => writeFileSync(join(place, '.env'), 'CANARY')],
  [
    'is renamed by somebody outside, in the directory',
    (place) => {
      writeFileSync(join(place, 'plain'), 'CANARY');
      renameSync(join(place, 'plain'), join(place, '.env'));
    },
  ],
  [
    'is moved in from another directory',
    (place, beside) => {
      writeFileSync(join(beside, 'x'), 'CANARY');
      renameSync(join(beside, 'x'), join(place, '.env'));
    },
  ],
  [
    'is a hard link to a file outside',
    (place, beside) => {
      writeFileSync(join(beside, 'y'), 'CANARY');
      linkSync(join(beside, 'y'), join(place, '.env'));
    },
  ],
  [
    'comes with a directory that is moved into place',
    (place, beside) => {
      mkdirSync(join(beside, 'd'));
      writeFileSync(join(beside, 'd/.env'), 'CANARY');
      rmSync(place, { recursive: true });
      renameSync(join(beside, 'd'), place);
    },
  ],
];

t.test(
  'a name under never that appears in a remembered directory',
  {
    skip: notRoot() ?? notBuilt() ?? false,
  },
  async (t) => {
    const user = testUser('cache');
    const cordon = await TestCordon.start({ profiles: { cache: profile } });
    t.teardown(() => cordon.stop().then(() => undefined));
    const workspace = mkdtempSync(join(user.home, 'ws-'));
    t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
    for (const [i] of ways.entries()) {
      for (const place of ['seen', 'beside', 'fresh']) mkdirSync(join(workspace, `${place}-${i}`));
      for (const file of ['a', 'b']) writeFileSync(join(workspace, `seen-${i}`, file), 'plain');
    }
    spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
    const shell = await SandboxShell.start(cordon, { user, workspace, profile: 'cache' });

    for (const [i, [title, make]] of ways.entries())
      await t.test(title, async (t) => {
        const place = join(workspace, `seen-${i}`);
        await shell.ask(`for n in 1 2 3; do cat ${place}/a ${place}/b > /dev/null; done`);
        make(place, join(workspace, `beside-${i}`));
        // One question that the kernel cannot answer by itself: what was told before it has been taken in by then.
        const fresh = join(workspace, `fresh-${i}`, 'f');
        writeFileSync(fresh, 'fresh');
        t.equal((await shell.ask(`cat ${fresh}`)).text, 'fresh');
        const read = await shell.ask(
          `cat ${place}/.env; cat ${place}/../seen-${i}/.env; cat < ${place}/.env`,
        );
        t.notMatch(read.text, /CANARY/);
        t.equal(readFileSync(join(place, '.env'), 'utf8'), 'CANARY', 'it is there');
      });

    await t.test('is not made by the agent, by rename or link', async (t) => {
      const place = join(workspace, 'seen-0');
      const made = await shell.ask(
        `cd ${workspace}; mkdir own; echo CANARY > own/x; cat own/x own/x; mv own/x own/.env; ln own/x own/.env; cp own/x own/.env; cat own/.env`,
      );
      t.equal(made.text.match(/CANARY/g)?.length, 2, made.text);
      t.equal((await shell.ask(`ls -a ${workspace}/own`)).text.includes('.env'), false);
      t.equal((await shell.ask(`cat ${place}/a`)).text, 'plain', 'the rest is read as ever');
    });
    await shell.leave();
    const { session } = await cordon.sessionIn(workspace);
    const denied = (await cordon.blocks(session)).filter(({ object }) => object.endsWith('/.env'));
    for (const [i] of ways.entries())
      t.ok(
        denied.some(({ object }) => object.includes(`seen-${i}/`)),
        `the read of seen-${i}/.env is on record`,
      );
  },
);
