// A machine that lacks a layer: what took hold is read back, a session does not start without it, and the error names it;
// a profile may allow it to lack.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { notBuilt } from '../../support/cordon.ts';
import { until } from '../../support/until.ts';
import { prepare } from './ground.ts';

t.test(
  'without control groups no session starts, unless its profile allows that',
  { skip: notBuilt() ?? false },
  async (t) => {
    // In the mount namespace of this test: cordond and its supervisors find no hierarchy at all.
    const gone = spawnSync('umount', ['--recursive', '--lazy', '/sys/fs/cgroup'], { encoding: 'utf8' });
    t.equal(gone.status, 0, gone.stderr);
    const ground = await prepare(t, 'layer');
    const { cordon, how } = ground;
    const refused = await cordon.run(['true'], how);
    t.equal(refused.code, 125, 'it does not start', refused);
    t.match(refused.stderr, /did not take hold: cgroup\n/, 'and the layer is named');
    t.match(refused.stderr, /may-lack/, 'with what would allow it');
    t.match((await cordon.cli(['doctor'])).stdout, /cgroup.*fail|fail.*cgroup/i, 'the doctor says it too');
    const text = readFileSync(`${cordon.profilesDir}/survive.yaml`, 'utf8');
    const lenient = text.replace('name: survive', 'name: lenient') + 'may-lack: [cgroup]\n';
    cordon.writeProfile('lenient', lenient);
    const shell = await ground.shell({ profile: 'lenient' });
    t.equal((await shell.ask('echo works')).text.trim(), 'works');
    const shown = await cordon.json<{
      sessions: { profile: string; layers: { layer: string; effective: boolean }[] }[];
    }>(['sessions']);
    const layers = shown.sessions.find(({ profile }) => profile === 'lenient')?.layers ?? [];
    t.match(
      layers.find(({ layer }) => layer === 'cgroup'),
      { effective: false },
      'sessions show what is in force',
    );
    t.ok(layers.filter(({ effective }) => effective).length > 5, 'the others are', { layers });
    const { session } = await cordon.sessionIn(ground.workspace);
    const frozen = await cordon.cli(['freeze', session]);
    t.equal(frozen.code, 1, 'what the layer is for is refused, not skipped', frozen);
    t.match(frozen.stderr, /no control group/, 'and it is said why');
    t.equal((await cordon.cli(['kill', session])).code, 0, 'a kill needs no control group');
    await until('cordon run ends', () => shell.ended !== undefined);
  },
);
