// A client that stands still does not keep a session, its supervisor or its traces; when it goes on it hears the end.
import t from 'tap';
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { processesNaming } from '../support/leftovers.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';

t.test(
  'a session whose client is stopped ends all the same',
  { skip: notRoot() ?? notBuilt() ?? false },
  async (t) => {
    const user = testUser('still');
    const workspace = mkdtempSync(join(user.home, 'ws-'));
    chownSync(workspace, user.uid, user.gid);
    t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
    const cordon = await TestCordon.start();
    t.teardown(() => cordon.stop().then(() => undefined));

    const script = ': > began; until [ -e go ]; do sleep 0.05; done; exit 7';
    const run = cordon.spawn(['sh', '-c', script], { user, workspace, profile: 'coding-agent' });
    await until('the command runs', () => existsSync(join(workspace, 'began')));
    const { session, supervisorPid } = await cordon.sessionIn(workspace);
    const client = processesNaming('cordon.cjs').find(({ command }) => command.includes(workspace));
    if (client === undefined) throw new Error('there is no cordon run');
    process.kill(client.pid, 'SIGSTOP');
    t.teardown(() => run.kill('SIGKILL'));
    writeFileSync(join(workspace, 'go'), '');

    const over = await until('the session is over', async () =>
      (await cordon.sessions()).find((one) => one.session === session && one.state === 'ended'),
    );
    t.equal(over.exitCode, 7, 'with the exit code of its command');
    await until('its supervisor is gone', () => !existsSync(`/proc/${supervisorPid}`));
    const note = await until('it is on record', async () =>
      (await cordon.records(session)).find(({ operation }) => operation === 'client'),
    );
    t.match(note, { kind: 'session', disposition: 'observed', reason: /stood still/ });
    const records = await cordon.records(session);
    t.notOk(
      records.some(({ reason }) => reason.includes('did not leave and was killed')),
      'nobody had to kill it',
    );
    t.equal(run.exitCode, null, 'the client still stands');
    const ended = new Promise((resolve) => run.once('exit', resolve));
    process.kill(client.pid, 'SIGCONT');
    t.equal(await ended, 7, 'and hears how it ended once it goes on');
  },
);
