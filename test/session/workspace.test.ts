// A workspace below a place of the host's that the sandbox has a private one for.
import t from 'tap';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { notRoot, testUser } from '../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? false;
const profile = `cordon: 1
name: review
version: 1
extends: [coding-agent]
files:
  - { never: [read, write], in: ["\${workspace}/vault"], because: "a secret of the project" }
`;

t.test('a workspace below /tmp, /var/tmp and /run', { skip }, async (t) => {
  const user = testUser('review');
  const cordon = await TestCordon.start({ profiles: { review: profile } });
  t.teardown(() => cordon.stop().then(() => undefined));
  for (const place of ['/tmp', '/var/tmp', '/run'])
    await t.test(`a workspace below ${place} is read, written and guarded like any other`, async (t) => {
      const outer = mkdtempSync(join(place, 'cordon-ws-'));
      t.teardown(() => rmSync(outer, { recursive: true, force: true }));
      const workspace = join(outer, 'a/ws');
      mkdirSync(join(workspace, 'vault'), { recursive: true });
      writeFileSync(join(workspace, 'in'), 'from the host');
      writeFileSync(join(workspace, 'vault/key'), 'CANARY');
      writeFileSync(join(outer, 'a/outside'), 'CANARY');
      spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, outer]);
      spawnSync('chmod', ['755', outer]);
      const script = `pwd; cat in; echo from the agent > out; echo x > /tmp/scratch && cat /tmp/scratch
        cat vault/key; cat ../outside; touch ../beside; echo '#!/bin/sh' > run; echo 'echo ran' >> run; chmod +x run; ./run`;
      const ran = await cordon.run(['bash', '-c', script], { user, workspace, profile: 'review' });
      t.match(ran.stdout, new RegExp(`^${workspace}\nfrom the hostx\n`), ran.stderr);
      t.match(ran.stdout, /ran\n$/, 'programs in it run');
      t.notOk(existsSync(join(outer, 'a/beside')), 'nothing of the host is around it');
      t.notMatch(ran.stdout, /CANARY/);
      t.equal(readFileSync(join(workspace, 'out'), 'utf8'), 'from the agent\n');
      const session = (await cordon.sessionIn(workspace)).session;
      t.match(await cordon.blocks(session), [{ operation: 'read', object: join(workspace, 'vault/key') }]);
    });
});
