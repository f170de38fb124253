// A full disk under the journal: what cannot be recorded does not happen.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { emptyDisk, fillDisk, smallDisk } from '../../support/small-disk.ts';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

t.test(
  'with a full journal disk nothing is allowed, and it works on when there is room',
  { skip: skipReason() },
  async (t) => {
    const stateDir = smallDisk(t);
    const ground = await prepare(t, 'disk', { stateDir, network: ['192.0.2.1:443'] });
    const { cordon, workspace } = ground;
    const shell = await ground.shell();
    t.equal((await shell.ask('echo one > one')).code, 0, 'an allowed write works');
    await until('the journal takes no more', async () => {
      fillDisk(stateDir);
      // The last page of the journal still has room for some records.
      for (let n = 0; n < 64; n++) if ((await shell.ask(`: > filler${n % 2}`)).code !== 0) return true;
      return false;
    });
    const refused: readonly (readonly [string, string])[] = [
      ['a write is refused', 'echo two > two'],
      ['a program is not started', '/bin/true'],
      ['no connection is made', 'exec 3<>/dev/tcp/192.0.2.1/443'],
    ];
    for (const [what, command] of refused) {
      const answer = await shell.ask(command);
      t.not(answer.code, 0, what);
      t.match(answer.text, /No space left on device/, 'and the agent is told why');
    }
    t.notOk(existsSync(join(workspace, 'two')), 'and has no effect');
    const launch = await cordon.run(['true'], ground.how);
    t.equal(launch.code, 125, 'nothing new starts');
    t.match(launch.stderr, /disk with the state directory is full[^]*make room/, 'and who asked is told why');
    const status = await cordon.cli(['status', '--json']);
    t.equal(status.code, 0, 'cordond still answers', { status, log: cordon.log });

    emptyDisk(stateDir);
    await until('there is room again', async () => (await shell.ask('echo three > three')).code === 0, {
      every: 100,
    });
    t.ok(existsSync(join(workspace, 'three')), 'writes work again');
    t.equal(await shell.leave(), 0);
    t.match(
      shell.errors,
      /\d+ actions could not be recorded, and .* was refused/,
      'cordon run says so at the end',
    );
    const { session } = await cordon.sessionIn(workspace);
    t.match(
      await until('the record of what is missing', async () =>
        (await cordon.records(session)).find(({ operation }) => operation === 'journal'),
      ),
      { layer: 'journal', reason: /could not be written to the journal \(ENOSPC\)/ },
      'and one record says how much is missing, and why',
    );
  },
);
