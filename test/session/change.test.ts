// What `cordon explain` prints to allow a blocked action is added to the profile: then that action works, and no other.
import t from 'tap';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { until } from '../support/until.ts';
import { asUser, notRoot, testUser } from '../support/user.ts';

const profile = `cordon: 1
name: narrow
version: 1
extends: [base-linux]
files:
  - { allow: [read, write, exec], in: ["\${workspace}", "\${tmp}"] }
exec:
  - { allow: ["/usr/**", "/bin/**"] }
`;

/** What it is called, what is tried, and what its record is about. */
interface Attempt {
  readonly name: string;
  readonly command: string;
  readonly object: string;
}

const attempts = (base: string, port: number): readonly Attempt[] => {
  const at = (name: string): string => join(base, name);
  return [
    { name: 'read', command: `read -r x < ${at('note')}`, object: at('note') },
    { name: 'list', command: `ls ${at('list')}`, object: at('list') },
    { name: 'create', command: `: > ${at('out/new')}`, object: at('out/new') },
    { name: 'change', command: `echo x >> ${at('out/old')}`, object: at('out/old') },
    { name: 'mkdir', command: `mkdir ${at('out/made')}`, object: at('out/made') },
    { name: 'remove', command: `rm -f ${at('out/gone')}`, object: at('out/gone') },
    { name: 'chmod', command: `chmod 700 ${at('kept')}`, object: at('kept') },
    { name: 'program', command: at('tool'), object: at('tool') },
    {
      name: 'socket',
      command: `perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); exit(connect(S,sockaddr_un(shift)) ? 0 : 1)' ${at('sock')}`,
      object: at('sock'),
    },
    { name: 'connect', command: `: < /dev/tcp/127.0.0.1/${port}`, object: `127.0.0.1:${port}` },
  ];
};

t.test('the change that explain prints', { skip: notRoot() ?? notBuilt() ?? false }, async (t) => {
  const user = testUser('change');
  const base = mkdtempSync(join(user.home, 'change-'));
  const workspace = join(base, 'ws');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const lay = (): void => {
    for (const place of ['ws', 'out', 'list', 'kept']) mkdirSync(join(base, place), { recursive: true });
    for (const place of ['note', 'out/old', 'out/gone', 'list/entry'])
      writeFileSync(join(base, place), 'x\n');
    for (const place of ['out/new', 'out/made']) rmSync(join(base, place), { recursive: true, force: true });
    copyFileSync('/bin/true', join(base, 'tool'));
    spawnSync('chmod', ['755', join(base, 'tool')]);
    spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, base]);
  };
  lay();
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await until('the server listens', () => server.listening);
  const [file = '', ...rest] = asUser(user, [
    'perl',
    '-MSocket',
    '-e',
    'socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un(shift)); listen(S,9); while(accept(C,S)){close C}',
    join(base, 'sock'),
  ]);
  const listener = spawn(file, rest);
  t.teardown(() => listener.kill('SIGKILL'));
  await until('the socket is there', () => existsSync(join(base, 'sock')));
  const cordon = await TestCordon.start({ profiles: { narrow: profile } });
  t.teardown(() => cordon.stop().then(() => undefined));

  const all = attempts(base, (server.address() as AddressInfo).port);
  const script = all
    .map(({ name, command }) => `if ( ${command} ) > /dev/null 2>&1; then echo "${name} works"; fi`)
    .join('\n');
  /** Names of the attempts that work under a profile. */
  const working = async (name: string): Promise<string[]> => {
    lay();
    const ran = await cordon.run(['bash', '-c', script], { user, workspace, profile: name });
    return all.map((each) => each.name).filter((each) => ran.stdout.includes(`${each} works`));
  };
  t.same(await working('narrow'), [], 'nothing of it is allowed at first');
  const { session } = await cordon.sessionIn(workspace);
  const blocks = await cordon.blocks(session);
  for (const { name, object } of all) {
    const block = blocks.find((record) => record.object === object);
    if (block === undefined) throw new Error(`${name}: no record of ${object}`);
    const { change, notes } = await cordon.explain(block.id);
    t.not(change, '', `${name}: there is a change`, { notes });
    const head = `cordon: 1\nname: changed-${name}\nversion: 1\nextends: [narrow]\n`;
    cordon.writeProfile(`changed-${name}`, `${head}${change}`);
  }
  const last = `changed-${all.at(-1)?.name ?? ''}`;
  await until('cordond has read the profiles', async () => {
    const ran = await cordon.run(['true'], { user, workspace, profile: last });
    return ran.code === 0;
  });
  for (const { name } of all)
    t.same(await working(`changed-${name}`), [name], `${name}: with the change, that works and no more`);
});
