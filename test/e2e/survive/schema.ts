// What a real session and its administrators do, as it is in the log in the end: every event of it is one of OCSF 1.8,
// by the published schema.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { violations } from '../../ocsf/validate.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

interface Event {
  readonly class_uid: number;
  readonly activity_id: number;
}

/** Class and activity, of what the session below surely does. */
const expected: readonly (readonly [string, number, number])[] = [
  ['a file is made', 1001, 1],
  ['a file is changed', 1001, 3],
  ['a file is deleted', 1001, 4],
  ['a file is renamed', 1001, 5],
  ['its rights are changed', 1001, 7],
  ['a program is started', 1007, 1],
  ['a connection is opened', 4001, 1],
  ['a name is looked up', 4003, 1],
  ['a session begins', 6002, 3],
  ['and ends', 6002, 4],
  ['a session is frozen', 7003, 1],
  ['killed', 7003, 2],
  ['and goes on', 7003, 3],
  ['the policy in force is put down', 5019, 1],
  ['the log is opened', 1008, 6],
  ['the log is exported', 1008, 3],
];

t.test('every event of a real session is one of OCSF 1.8', { skip: skipReason() }, async (t) => {
  const ground = await prepare(t, 'schema', { network: ['127.0.0.1:1', 'granted.example:443'] });
  const { cordon, workspace, privateFile } = ground;
  const shell = await ground.shell();
  const { session } = await cordon.sessionIn(workspace);
  const work = [
    'echo one > one && echo two >> one && mv one two && chmod 600 two && ln -s two link && mkdir d && rmdir d',
    `cat two ${privateFile}; echo x > ${privateFile}.new; rm two link; touch -d @0 $'na\\xffme'`,
    '/bin/true; curl -sS -m 2 http://127.0.0.1:1/; curl -sS -m 2 http://127.0.0.1:2/; getent hosts denied.example',
    'unshare -U true; kill -9 1; printf "%s" "--token=sk-ant-abcdefghijklmnop1234567890" > /dev/null',
  ];
  for (const line of work) await shell.ask(`( ${line} )`, 40_000);
  t.equal((await cordon.cli(['freeze', session, '--reason', 'a look'])).code, 0);
  t.equal((await cordon.cli(['resume', session])).code, 0);
  const profile = join(cordon.profilesDir, 'survive.yaml');
  cordon.writeProfile(
    'survive',
    `${readFileSync(profile, 'utf8').replace('version: 1', 'version: 2')}description: changed\n`,
  );
  process.kill(cordon.daemonPid, 'SIGHUP');
  await until('the session has the new policy', async () =>
    (await cordon.records(session)).some(({ operation }) => operation === 'policy'),
  );
  await shell.ask('echo more > three');
  t.equal((await cordon.cli(['kill', session])).code, 0);
  await until('the session is over', async () =>
    (await cordon.sessions()).some((one) => one.session === session && one.state !== 'running'),
  );

  const file = join(temporaryDirectory(t), 'export.jsonl');
  t.match(
    await cordon.cli(['audit', 'export', '--out', `${file}.first`]),
    { code: 0 },
    'that, too, is on record',
  );
  t.match(await cordon.cli(['audit', 'export', '--out', file]), { code: 0 });
  t.match(
    await cordon.cli(['audit', 'verify', '--file', file]),
    { code: 0 },
    'what is exported proves itself',
  );
  const events = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { readonly event?: string | object }).event)
    .filter((event) => event !== undefined)
    .map((event) => (typeof event === 'string' ? event : JSON.stringify(event)));
  const wrong = events
    .map((event) => ({ event, why: violations(event) }))
    .filter(({ why }) => why.length > 0);
  t.strictSame(wrong, [], `${events.length} events`);
  const kinds = events.map((event) => JSON.parse(event) as Event);
  const found = new Set(kinds.map(({ class_uid, activity_id }) => `${class_uid}/${activity_id}`));
  for (const [what, uid, activity] of expected)
    t.ok(found.has(`${uid}/${activity}`), `${what}: ${uid}/${activity}`, { found: [...found].sort() });
});
