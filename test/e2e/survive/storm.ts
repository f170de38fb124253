// 10,000 opens a second: they go on at that rate, none goes unrecorded, and records and memory stay few.
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { forgetPeak, peakMemory } from '../../support/memory.ts';
import { sized } from '../../support/size.ts';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

const rate = 10_000;
const seconds = sized({ usual: 8, full: 60 });
const files = 1000;
/** MiB that cordond and the supervisor may grow by. */
const slack = 64;
const patience = 300_000;
const source = fileURLToPath(new URL('../../support/opens.c', import.meta.url));

t.test(`${rate} opens a second for ${seconds} seconds`, { skip: skipReason() }, async (t) => {
  const ground = await prepare(t, 'storm');
  const { cordon, workspace, user } = ground;
  const program = join(workspace, 'opens');
  const built = spawnSync('gcc', ['-O1', '-o', program, source], { encoding: 'utf8' });
  t.equal(built.status, 0, 'the program is built', { said: built.stderr });
  const directory = join(workspace, 'files');
  mkdirSync(directory);
  for (let n = 0; n < files; n++) writeFileSync(join(directory, String(n)), '');
  for (const path of [program, directory]) chownSync(path, user.uid, user.gid);

  const shell = await ground.shell();
  const { session, supervisorPid } = await cordon.sessionIn(workspace);
  const watched = [
    { name: 'cordond', pid: cordon.daemonPid },
    { name: 'the supervisor', pid: supervisorPid },
  ].map((one) => {
    forgetPeak(one.pid);
    return { ...one, before: peakMemory(one.pid) };
  });
  const { text } = await shell.ask(`cd files && ../opens ${files} ${rate} ${seconds}`, patience);
  const [made = 0, failed = 0, took = 0] = text.trim().split(' ').map(Number);
  t.comment(`${made} opens in ${took} s: ${Math.round(made / took)} a second`);
  t.equal(failed, 0, 'every open worked');
  t.ok(made >= rate * seconds * 0.99, 'as many as were wanted', { text });
  for (const { name, pid, before } of watched) {
    const grown = peakMemory(pid) - before;
    t.ok(grown < slack, `${name} grew by ${grown.toFixed(1)} MiB`, { before });
  }
  t.equal(await shell.leave(), 0);

  await until(
    'all is drained',
    async () => (await cordon.sessions()).some((one) => one.session === session && one.state === 'ended'),
    { within: patience },
  );
  const records = (await cordon.records(session)).filter(({ operation }) => operation === 'read');
  const ours = records.filter(({ object }) => object.startsWith(`${directory}/`));
  const counts = new Map<string, number>();
  for (const { object, count = 1 } of ours) counts.set(object, (counts.get(object) ?? 0) + count);
  const counted = [...counts.values()].reduce((sum, count) => sum + count, 0);
  t.comment(`${ours.length} records count ${counted} of ${made} opens`);
  t.equal(counts.size, files, 'every file is on record');
  t.same(
    records.filter(({ object }) => object.startsWith('objects that were gone')),
    [],
    'nothing was lost',
  );
  t.ok(ours.length <= files * (seconds + 2), 'folded: a record for each file and second');
  t.ok(counted <= made, 'nothing is counted twice');
});
