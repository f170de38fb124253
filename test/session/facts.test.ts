// What is not denied because it has no effect is said in the record of what happened.
import t from 'tap';
import { createHash } from 'node:crypto';
import { chownSync, copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';

t.test('facts without a denial', { skip: notRoot() ?? notBuilt() ?? false }, async (t) => {
  const user = testUser('facts');
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  chownSync(workspace, user.uid, user.gid);
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  const how = { user, workspace, profile: 'coding-agent' };

  const script = 'mount --version; sleep 1000 < /dev/null > /dev/null 2>&1 &';
  t.equal((await cordon.run(['bash', '-c', script], how)).code, 0);
  const { session } = await cordon.sessionIn(workspace);
  const records = await cordon.records(session);
  const execs = records.filter(({ kind }) => kind === 'exec');
  const of = (image: string): (typeof execs)[number] | undefined =>
    execs.find(({ object }) => object.endsWith(image));
  t.match(
    of('/mount')?.detail,
    { setId: /without effect/ },
    'the set-user-ID bit of an image, which no_new_privs ignores',
  );
  t.notOk(of('/sleep')?.detail?.['setId'], 'and not where there is none');
  t.match(
    records.find(({ operation }) => operation === 'left-running'),
    {
      kind: 'session',
      object: '1 process',
      disposition: 'observed',
      reason: /ended with it/,
      // Its name is the shell's until it has begun.
      detail: { processes: [/^\d+ (?:sleep|bash)$/] },
    },
    'a process that outlived the command, and ended with the session',
  );

  // Its program ends before all of it is read; it is read within what a supervisor waits for that.
  const image = join(workspace, 'large');
  copyFileSync('/bin/true', image);
  truncateSync(image, 8 * 1024 * 1024);
  chownSync(image, user.uid, user.gid);
  t.equal((await cordon.run([image], how)).code, 0);
  const latest = await cordon.sessionIn(workspace);
  t.not(latest.session, session);
  const digest = await until('the digest of a large image', async () =>
    (await cordon.records(latest.session)).find(({ operation }) => operation === 'image'),
  );
  const sha256 = createHash('sha256').update(readFileSync(image)).digest('hex');
  t.match(digest, { object: image, detail: { sha256 } }, 'a digest that is known after the end is on record');

  const long = Array.from({ length: 4 }, () => 'x'.repeat(100_000));
  t.equal((await cordon.run(['/bin/true', 'é日本', ...long], how)).code, 0);
  const began = await cordon.records((await cordon.sessionIn(workspace)).session);
  t.match(
    began.filter(({ kind, operation }) => kind === 'session' && operation !== 'exit'),
    [{ operation: 'launch', object: /^\/bin\/true é日本 x+…$/ }],
    'that a session began is on record in its words, however many they are',
  );
});
