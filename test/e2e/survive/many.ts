// Many sessions at once, and many one after another: nothing stays behind.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { TestCordon } from '../../support/cordon.ts';
import { cgroupsNaming, processesNaming } from '../../support/leftovers.ts';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

const atOnce = 50;
const inARow = 20;
const skip = skipReason();

t.test(`${atOnce} sessions run at once`, { skip }, async (t) => {
  const ground = await prepare(t, 'many');
  const { cordon, how } = ground;
  const shells = [];
  // Five launches at a time: 2 cores start supervisors for all of them.
  for (let batch = 0; batch < atOnce / 5; batch++) {
    shells.push(...(await Promise.all([1, 2, 3, 4, 5].map(() => ground.shell(how)))));
  }
  const running = (await cordon.sessions()).filter((one) => one.state === 'running');
  t.equal(running.length, atOnce, 'all of them run');
  const answers = await Promise.all(
    shells.map((shell, n) => shell.ask(`echo ${n} > file-${n}; cat file-${n}`)),
  );
  t.same(
    answers.map((answer) => answer.text.trim()),
    shells.map((_, n) => String(n)),
    'each does its work',
  );
  const refused = await Promise.all(shells.map((shell) => shell.ask(`cat ${ground.privateFile}`)));
  t.ok(
    refused.every((answer) => answer.code !== 0),
    'each is refused what it may not read',
  );
  t.same(
    await Promise.all(shells.map((shell) => shell.leave())),
    shells.map(() => 0),
    'each ends well',
  );
});

interface Traces {
  readonly mounts: number;
  readonly cgroups: number;
  readonly descriptors: number;
  readonly supervisors: number;
  readonly sessionDirectories: number;
}

const traces = (cordon: TestCordon): Traces => ({
  mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
  cgroups: cgroupsNaming('cordon').length,
  descriptors: readdirSync(`/proc/${cordon.daemonPid}/fd`).length,
  supervisors: processesNaming(cordon.root).length,
  sessionDirectories: readdirSync(join(cordon.runDir, 'sessions')).length,
});

t.test(`${inARow} launches one after another leave nothing behind`, { skip }, async (t) => {
  const ground = await prepare(t, 'many');
  const { cordon, how } = ground;
  const launch = async (): Promise<number> => (await cordon.run(['true'], how)).code;
  // The first ones fill the pool and the caches.
  for (let n = 0; n < 3; n++) t.equal(await launch(), 0);
  // A supervisor is ready for the next session, and nothing is left of the last one.
  const settled = async (): Promise<Traces | undefined> => {
    const { more } = await cordon.json<{ more: { pool: { ready: number; starting: number } } }>(['status']);
    const now = traces(cordon);
    return more.pool.ready > 0 && more.pool.starting === 0 && now.sessionDirectories === 0 ? now : undefined;
  };
  const before = await until('cordond has settled', settled, { every: 200 });
  const codes = [];
  for (let n = 0; n < inARow; n++) codes.push(await launch());
  t.ok(
    codes.every((code) => code === 0),
    'every launch worked',
    { codes },
  );
  const wanted = JSON.stringify(before);
  const same = await until(
    'as many traces as before',
    async () => {
      const now = await settled();
      return JSON.stringify(now) === wanted ? now : undefined;
    },
    { every: 200 },
  ).catch(() => traces(cordon));
  t.same(same, before, 'mounts, cgroups, descriptors, processes and files are as before');
});
