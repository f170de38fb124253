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

t.test(
  'a name that is written and never read, moved by the agent into a remembered directory',
  { skip: notRoot() ?? notBuilt() ?? false },
  async (t) => {
    const user = testUser('cache');
    const sealed = `cordon: 1
name: sealed
version: 1
extends: [coding-agent]
files:
  - { never: [read], in: ["**/sealed"], because: "written, never read" }
`;
    const cordon = await TestCordon.start({ profiles: { sealed } });
    t.teardown(() => cordon.stop().then(() => undefined));
    const workspace = mkdtempSync(join(user.home, 'ws-'));
    t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
    for (const place of ['own', 'seen', 'busy']) mkdirSync(join(workspace, place));
    for (const file of ['own/sealed', 'busy/sealed']) writeFileSync(join(workspace, file), 'CANARY\n');
    for (const file of ['seen/a', 'seen/b', 'busy/a']) writeFileSync(join(workspace, file), 'plain\n');
    linkSync(join(workspace, 'busy/a'), join(workspace, 'busy/b'));
    spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
    // One of the others asks for what is never remembered, so that the thread that answers has much to do; one waits for the name.
    const script = `use strict; $| = 1; my @others;
      sub read_sealed { if (open(my $h, '<', 'seen/sealed')) { print while <$h> } }
      for my $other (sub { open(my $h, '<', 'busy/a'); close $h }, \\&read_sealed) {
        my $pid = fork; push @others, $pid; next if $pid; while (1) { $other->() }
      }
      for (1 .. 40) {
        for my $plain ('seen/a', 'seen/b') { open(my $h, '<', $plain) or die "$plain: $!"; close $h }
        rename('own/sealed', 'seen/sealed') or die "there: $!";
        read_sealed();
        rename('seen/sealed', 'own/sealed') or die "back: $!";
      }
      kill 'KILL', @others; print "end\\n"`;
    const ran = await cordon.run(['perl', '-e', script], { user, workspace, profile: 'sealed' });
    t.equal(ran.stdout, 'end\n', ran.stderr);
    const { session } = await cordon.sessionIn(workspace);
    const denied = (await cordon.blocks(session)).filter(({ object }) => object.endsWith('seen/sealed'));
    t.ok(denied.length > 0, 'that it was tried is on record');
  },
);
