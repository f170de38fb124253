// Many sessions at once, and many one after another: nothing stays behind.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { TestCordon } from '../../support/cordon.ts';
import { cgroupsNaming, processesNaming } from '../../support/leftovers.ts';
import { forgetPeak, peakMemory } from '../../support/memory.ts';
import { sized } from '../../support/size.ts';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

const atOnce = 50;
const inARow = sized({ usual: 40, full: 1000 });
/** MiB that cordond may grow by meanwhile. */
const slack = 24;
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

/** Names of everything below a directory. */
const namesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();

interface Traces {
  readonly mounts: number;
  readonly descriptors: number;
  readonly supervisors: number;
  readonly run: readonly string[];
  readonly state: readonly string[];
}

const traces = (cordon: TestCordon): Traces => ({
  mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
  descriptors: readdirSync(`/proc/${cordon.daemonPid}/fd`).length,
  supervisors: processesNaming(cordon.root).length,
  run: namesBelow(cordon.runDir),
  state: namesBelow(cordon.stateDir),
});

/** Control groups named after processes that we had and that are gone. */
const strayCgroups = (pids: ReadonlySet<number>): string[] =>
  cgroupsNaming('s').filter((path) => {
    const pid = Number(/\/cordon\/s(\d+)$/.exec(path)?.[1]);
    return pids.has(pid) && !existsSync(`/proc/${pid}`);
  });

t.test(`${inARow} launches one after another leave nothing behind`, { skip }, async (t) => {
  const ground = await prepare(t, 'many');
  const { cordon, how } = ground;
  const supervisors = new Set<number>();
  const launch = async (): Promise<number> => {
    const { code } = await cordon.run(['true'], how);
    for (const { pid } of processesNaming(cordon.runDir)) supervisors.add(pid);
    return code;
  };
  // The first ones fill the pool and the caches.
  for (let n = 0; n < 10; n++) t.equal(await launch(), 0);
  // A supervisor is ready for the next session, and nothing is left of the last one.
  const settled = async (): Promise<Traces | undefined> => {
    const { more } = await cordon.json<{ more: { pool: { ready: number; starting: number } } }>(['status']);
    const now = traces(cordon);
    const idle = more.pool.ready > 0 && more.pool.starting === 0;
    return idle && readdirSync(join(cordon.runDir, 'sessions')).length === 0 ? now : undefined;
  };
  const before = await until('cordond has settled', settled, { every: 200 });
  forgetPeak(cordon.daemonPid);
  const memory = peakMemory(cordon.daemonPid);
  const codes = new Map<number, number>();
  const from = performance.now();
  for (let n = 0; n < inARow; n++) {
    const code = await launch();
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  t.comment(`${((performance.now() - from) / inARow).toFixed(0)} ms a launch, one after another`);
  t.same([...codes], [[0, inARow]], 'every launch worked');
  const wanted = JSON.stringify(before);
  const same = await until(
    'as many traces as before',
    async () => {
      const now = await settled();
      return JSON.stringify(now) === wanted ? now : undefined;
    },
    { every: 200 },
  ).catch(() => traces(cordon));
  t.same(same, before, 'mounts, descriptors, processes and files are as before');
  t.ok(supervisors.size > inARow / 2, 'each launch had a supervisor of its own', { seen: supervisors.size });
  await until('their control groups are gone', () => strayCgroups(supervisors).length === 0, {
    evidence: () => strayCgroups(supervisors).join('\n'),
  });
  const grown = peakMemory(cordon.daemonPid) - memory;
  t.ok(grown < slack, `cordond grew by ${grown.toFixed(1)} MiB`, { memory });
});
