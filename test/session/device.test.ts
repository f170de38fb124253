// A device that was opened once is not looked at again: for what was allowed then, and nothing else.
import t from 'tap';
import { mkdtempSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { notRoot, testUser } from '../support/user.ts';

const profile = `cordon: 1
name: devices
version: 1
extends: [coding-agent]
files:
  - { deny: [read], in: [/dev/zero], because: "written, never read" }
`;

t.test(
  'a device that may be written, and was, is still not opened for reading',
  { skip: notRoot() ?? notBuilt() ?? false },
  async (t) => {
    const user = testUser('device');
    const workspace = mkdtempSync(join(user.home, 'ws-'));
    t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
    spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);
    const cordon = await TestCordon.start({ profiles: { devices: profile } });
    t.teardown(() => cordon.stop().then(() => undefined));
    const script = `for n in 1 2 3; do : > /dev/zero && echo written; done
      if ( exec 3<> /dev/zero ) 2> /dev/null; then echo opened for both; fi
      perl -MFcntl -e 'sysopen(my $f, "/dev/null", O_RDONLY | O_TRUNC) and print "truncated\\n"'`;
    const ran = await cordon.run(['bash', '-c', script], { user, workspace, profile: 'devices' });
    t.equal(ran.stdout, 'written\nwritten\nwritten\n', ran.stderr);
    const { session } = await cordon.sessionIn(workspace);
    const blocks = await cordon.blocks(session);
    t.match(
      blocks.filter(({ object }) => object === '/dev/zero'),
      [{ disposition: 'denied', layer: 'seccomp-notify' }],
    );
    t.match(
      blocks.filter(({ object }) => object === '/dev/null'),
      [{ disposition: 'denied', operation: 'truncate', rule: { id: 'builtin/truncate-reading' } }],
      'the kernel is never left to truncate without writing',
    );
  },
);
