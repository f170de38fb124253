// A policy that changes under a running session: once the change is acknowledged, nothing that kernel, supervisor or egress
// remembered of the old one holds, in either direction; a broken policy changes nothing.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { SandboxShell } from '../support/sandbox-shell.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? false;

t.test('a change of policy under a running session', { skip }, async (t) => {
  const user = testUser('policy');
  const base = mkdtempSync(join(user.home, 'policy-'));
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const [workspace, notes] = [join(base, 'ws'), join(base, 'notes')];
  for (const place of [workspace, notes]) mkdirSync(place);
  for (const name of ['one', 'two']) writeFileSync(join(notes, name), 'NOTE\n');
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, base]);
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.end('answer');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;

  const profile = (version: number, open: boolean): string => `cordon: 1
name: changing
version: ${version}
extends: [base-linux]
files:
  - { allow: [read, write, exec], in: ["\${workspace}", "\${tmp}"] }
  - { ${open ? 'allow' : 'deny'}: [read], in: ["${notes}"] }
exec:
  - { allow: ["**"] }
  - { ${open ? 'allow' : 'deny'}: [/usr/bin/id] }
network: [${open ? `{ allow: "127.0.0.1:${port}" }` : ''}]
`;
  const cordon = await TestCordon.start({ profiles: { changing: profile(1, true) } });
  t.teardown(() => cordon.stop().then(() => undefined));
  const shell = await SandboxShell.start(cordon, { user, workspace, profile: 'changing' });
  const { session } = await cordon.sessionIn(workspace);
  const generation = async (): Promise<number> => {
    const { sessions } = await cordon.json<{ sessions: { session: string; generation: number }[] }>([
      'sessions',
    ]);
    return sessions.find((one) => one.session === session)?.generation ?? 0;
  };
  /** Resolves when cordond says that the session has it. */
  const change = async (version: number, open: boolean): Promise<void> => {
    const before = await generation();
    cordon.writeProfile('changing', profile(version, open));
    process.kill(cordon.daemonPid, 'SIGHUP');
    await until('the session has the policy', async () => (await generation()) > before);
  };
  const attempts: readonly (readonly [string, string])[] = [
    ['a file that was read before', `cat ${notes}/one`],
    ['another in the same directory', `cat ${notes}/two`],
    ['the directory', `ls ${notes}`],
    ['a program that ran before', 'id'],
    ['a connection', `curl -sS -m 5 http://127.0.0.1:${port}/`],
  ];
  const works = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const [what, command] of attempts) if ((await shell.ask(command)).code === 0) found.push(what);
    return found;
  };
  const all = attempts.map(([what]) => what);

  // Many times, so that whatever remembers verdicts does.
  for (let i = 0; i < 5; i++) t.same(await works(), all, 'under the first policy all of it works');
  const before = asked;
  await change(2, false);
  t.same(await works(), [], 'under the stricter one nothing of it does, from the acknowledgement on');
  t.equal(asked, before, 'and nothing arrived');
  const denied = (await cordon.blocks(session)).map(({ object }) => object);
  for (const object of [`${notes}/one`, `${notes}/two`, '/usr/bin/id', `127.0.0.1:${port}`])
    t.ok(denied.includes(object), `${object} is on record as denied`, { denied });
  const now = await generation();
  cordon.writeProfile('changing', `${profile(3, true)}nonsense: 1\n`);
  process.kill(cordon.daemonPid, 'SIGHUP');
  await until('it is reported', async () => {
    const { stdout } = await cordon.cli(['status']);
    return /changing\.yaml:\d+/.test(stdout);
  });
  t.same(await works(), [], 'a broken policy changes nothing');
  t.equal(await generation(), now);
  await change(4, true);
  t.same(await works(), all, 'under a wider one it works again: denials are not remembered either');
  t.equal(await shell.leave(), 0);
});
