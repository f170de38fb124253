// What programs do to a file system and a process table, by mistake or not.
import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

const skip = skipReason();

t.test('a fork bomb hits the limit of its session, and is killed', { skip }, async (t) => {
  const ground = await prepare(t, 'abuse', { limits: 'processes: 64, memory: 1GiB' });
  const { cordon, workspace } = ground;
  const shell = await ground.shell();
  const { session, initPid } = await cordon.sessionIn(workspace);
  shell.tell('bomb() { bomb | bomb & }; bomb 2>/dev/null');
  await until('the process table of the session is full', async () => {
    const facts = (await cordon.sessions()).find((one) => one.session === session);
    return (facts?.processes ?? 0) >= 60;
  });
  const facts = (await cordon.sessions()).find((one) => one.session === session);
  t.ok((facts?.processes ?? Infinity) <= 64, 'there are no more processes than the profile allows', {
    facts,
  });
  t.equal((await cordon.cli(['kill', session])).code, 0, 'cordon kill works');
  await until('its last process is dead', () => !readdirSync('/proc').includes(String(initPid)), {
    within: 30_000,
  });
  await until('cordon run ends', () => shell.ended !== undefined);
});

t.test('a directory of 100,000 entries is listed and searched', { skip }, async (t) => {
  const ground = await prepare(t, 'abuse');
  const directory = join(ground.workspace, 'many');
  mkdirSync(directory);
  for (let n = 0; n < 100_000; n++) writeFileSync(join(directory, `file-${n}`), '');
  chownSync(directory, ground.user.uid, ground.user.gid);
  const shell = await ground.shell();
  t.equal((await shell.ask('ls many | wc -l', 60_000)).text.trim(), '100000', 'all of them are seen');
  t.equal((await shell.ask('cat many/file-1 many/file-99999 && : > many/new && rm many/new')).code, 0);
  t.equal(await shell.leave(), 0);
});

t.test('paths as long as the kernel takes them, and longer', { skip }, async (t) => {
  const ground = await prepare(t, 'abuse');
  const shell = await ground.shell();
  // PATH_MAX is 4,096 bytes with the NUL (limits.h): 4,095 is the longest path of one call.
  const room = 4095 - ground.workspace.length - '/'.length;
  const step = 'd'.repeat(199);
  const depth = Math.floor((room - 'file'.length) / (step.length + 1));
  const path = `${`${step}/`.repeat(depth)}${'f'.repeat(room - depth * (step.length + 1))}`;
  const longest = `${ground.workspace}/${path}`;
  t.equal(Buffer.byteLength(longest), 4095);
  t.equal((await shell.ask(`mkdir -p ${`${step}/`.repeat(depth)}`)).code, 0, 'the directories are made');
  t.equal((await shell.ask(`echo deep > ${longest}`)).code, 0, 'a path of 4,095 bytes is written');
  t.equal((await shell.ask(`cat ${longest}`)).text.trim(), 'deep', 'and read');
  t.not((await shell.ask(`cat ${longest}x`)).code, 0, 'one byte more is refused');
  const deeper = `cd ${`${step}/`.repeat(depth)} && mkdir -p x/${step}/${step} && cd x/${step}/${step} && echo y > beyond; cat beyond`;
  await shell.ask(`( ${deeper} )`);
  t.equal(
    (await shell.ask('echo still here')).text.trim(),
    'still here',
    'a file beyond PATH_MAX does no harm',
  );
  t.equal(await shell.leave(), 0);
});

t.test('names that are not UTF-8 work and are recorded', { skip }, async (t) => {
  const ground = await prepare(t, 'abuse');
  const shell = await ground.shell();
  const { session } = await ground.cordon.sessionIn(ground.workspace);
  t.equal(
    (await shell.ask("printf x > $'bad\\xff\\xfe' && mv $'bad\\xff\\xfe' $'worse\\x80' && cat $'worse\\x80'"))
      .text,
    'x',
  );
  const names = readdirSync(ground.workspace, { encoding: 'buffer' }).map((name) => name.toString('latin1'));
  t.same(names, ['worse\x80'], 'the file has the name that was asked for');
  t.not((await shell.ask(`echo x > ${ground.privateFile}$'\\xff'`)).code, 0, 'a name outside is refused');
  const denied = await until('the denial is on record', async () =>
    (await ground.cordon.blocks(session)).find((record) => record.object.endsWith('\\xff')),
  );
  t.ok(denied.object.startsWith(ground.privateFile), 'with its bytes spelled out');
  t.equal(await shell.leave(), 0);
});
