// kill -9 of cordond: the session goes on under mediation, and the next cordond takes it up with every record.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

t.test('a session outlives cordond: decided, recorded, adopted', { skip: skipReason() }, async (t) => {
  const ground = await prepare(t, 'adopt');
  const { cordon, workspace, privateFile, canary } = ground;
  const shell = await ground.shell();
  const { session, supervisorPid } = await cordon.sessionIn(workspace);
  t.equal((await shell.ask('echo one > one')).code, 0, 'an allowed write works');
  t.not((await shell.ask(`cat ${privateFile}`)).code, 0, 'a read that no rule grants fails');

  await cordon.killDaemon();
  const before = cordon.journalSize(session);
  t.equal((await shell.ask('echo two > two')).code, 0, 'an allowed write works without cordond');
  t.equal(readFileSync(join(workspace, 'two'), 'utf8'), 'two\n', 'and has its effect');
  const read = await shell.ask(`cat ${privateFile}`);
  t.not(read.code, 0, 'a denied read fails without cordond');
  t.notMatch(read.text, canary, 'and gives nothing away');
  t.not((await shell.ask(`echo x > ${privateFile}.new`)).code, 0, 'a denied write fails without cordond');
  t.ok(cordon.journalSize(session) > before, 'the journal grows');

  await cordon.startDaemon();
  const adopted = await until('the new cordond adopts the session', async () =>
    (await cordon.sessions()).find((one) => one.session === session && one.state === 'running'),
  );
  t.equal(adopted.supervisorPid, supervisorPid, 'it is the same supervisor');
  t.equal((await shell.ask('echo three > three')).code, 0, 'the session works on');
  t.equal(await shell.leave(), 0, 'and ends as it should');

  const records = await until('the last record is drained', async () => {
    const all = await cordon.records(session);
    return all.some((record) => record.object.endsWith('/three')) ? all : undefined;
  });
  // cordond numbers its own records about a session apart (`daemon-N`).
  const numbers = records.filter(({ id }) => id.startsWith(`${session}-`)).map((record) => record.seq);
  const trouble = records.filter((record) => record.operation.startsWith('journal-'));
  t.same(trouble, [], 'cordond found the journal whole');
  const holes = numbers.filter((seq, index) => index > 0 && seq !== (numbers[index - 1] ?? 0) + 1);
  t.same(holes, [], 'no record is missing and none is there twice', { numbers });
  const denied = records.filter((record) => record.disposition === 'denied').map((record) => record.object);
  t.ok(denied.includes(`${privateFile}.new`), 'what was denied while cordond was dead is on record', {
    denied,
  });
});
