// What an agent tries with what it was handed: descriptors, names it may write but not read, links in their place.
import t from 'tap';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { notBuilt, TestCordon, type Ran } from '../support/cordon.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';
import { spawn, spawnSync } from 'node:child_process';

const skip = notRoot() ?? notBuilt();
const profile = `cordon: 1
name: review
version: 1
extends: [coding-agent]
files:
  - { never: [read], in: ["\${workspace}/sealed"], because: "written, never read" }
exec:
  - { allow: ["**"] }
`;

t.test('escapes', { skip: skip ?? false }, async (t) => {
  const user = testUser('review');
  const cordon = await TestCordon.start({ profiles: { review: profile } });
  t.teardown(() => cordon.stop().then(() => undefined));
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  const put = (name: string, text: string): void => writeFileSync(join(workspace, name), text);
  mkdirSync(join(workspace, 'd'));
  put('.env', 'CANARY-env');
  put('d/.env', 'CANARY-deep');
  put('env2', 'x');
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  const options = { user, workspace, profile: 'review' };
  const sh = (script: string): Promise<Ran> => cordon.run(['bash', '-c', script], options);

  const tries: readonly (readonly [string, string])[] = [
    ['a plain read', 'cat .env'],
    ['a renamed name', 'mv .env moved; cat moved; mv moved .env'],
    ['a link', 'ln .env linked; cat linked'],
    ['a descriptor for writing, reopened', 'exec 7>>.env; cat /proc/self/fd/7'],
    ['a descriptor for writing, reopened with a link', 'exec 7>>d/.env; ln -s /proc/self/fd/7 l; cat l'],
    ['a renamed directory', 'mv d sealed2; cat sealed2/.env; mv sealed2 d'],
  ];
  for (const [title, script] of tries)
    await t.test(`a file that is never read is not read through ${title}`, async (t) => {
      const ran = await sh(`echo began; ${script}`);
      t.match(ran.stdout, /began/, ran.stderr);
      t.notMatch(ran.stdout, /CANARY/, ran.stdout + ran.stderr);
    });

  await t.test(
    'a directory whose reads were cached is asked about again under a name that is never read',
    async (t) => {
      const sealed = join(workspace, 'sealed');
      const child = cordon.spawn(
        [
          'bash',
          '-c',
          'mkdir c; echo x > c/f; cat c/f c/f; mv c sealed; echo moved; read line; cat sealed/late; echo end',
        ],
        options,
      );
      let said = '';
      child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await until('the agent has moved the directory', () => said.includes('moved'), {
        evidence: () => said,
      });
      writeFileSync(join(sealed, 'late'), 'CANARY-late', { mode: 0o644 });
      child.stdin?.end('go\n');
      await until('the agent has tried', () => said.includes('end'), { evidence: () => said });
      t.notMatch(said, /CANARY/);
    },
  );

  await t.test('a link inside a git directory is refused, but for the one that git init tries', async (t) => {
    const ran = await sh(
      'mkdir -p g evil && cd g && git init -q . && git config --get core.symlinks; mkdir -p .git/modules; ' +
        'ln -s ../../../evil .git/modules/sub; ln -s ../evil .git/info2; ls .git .git/modules',
    );
    t.notMatch(ran.stdout, /sub|info2|false/, ran.stderr);
    t.match(ran.stdout, /HEAD/, 'git init works');
  });

  await t.test('the agent has exactly descriptors 0, 1 and 2', async (t) => {
    const ran = await sh('ls /proc/self/fd');
    t.same(ran.stdout.trim().split(/\s+/), ['0', '1', '2', '3'], 'ls itself opens 3');
  });

  await t.test(
    'a directory as standard input is refused: names could be resolved from it on the host',
    async (t) => {
      const [file = '', ...args] = cordon.runCommand(['cat', '/proc/self/fd/0/passwd'], options);
      const ran = spawnSync('sh', ['-c', '"$@" < /etc', 'sh', file, ...args], {
        env: cordon.runEnvironment(options),
        cwd: workspace,
        encoding: 'utf8',
      });
      t.equal(ran.status, 125);
      t.match(ran.stderr, /is a directory/);
    },
  );

  await t.test('a file that was handed for writing only is not read by opening it anew', async (t) => {
    const directory = mkdtempSync(join(user.home, 'handed-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const log = join(directory, 'log');
    writeFileSync(log, 'CANARY-before\n');
    spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, directory]);
    // Once more after a rename, which makes the kernel forget what it was told.
    const again = (name: string): string => `( exec 3< ${name}; head -1 <&3 | tr A-Z a-z >&2 )`;
    const script = `echo began; ${again('/proc/self/fd/1')}; touch r; mv r s; ${again('/dev/stdout')}; echo ready; read line; echo end`;
    const [file = '', ...args] = cordon.runCommand(['bash', '-c', script], options);
    const child = spawn('bash', ['-c', `"$@" >> ${log}`, 'bash', file, ...args], {
      env: cordon.runEnvironment(options),
      cwd: workspace,
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    const ended = once(child, 'exit');
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const outside = (): string => readFileSync(log, 'utf8');
    await until('somebody outside reads it as ever', () => outside().includes('ready'), {
      evidence: () => said,
    });
    child.stdin.end('go\n');
    await ended;
    t.match(outside(), /began\nready\nend/);
    t.notMatch(said, /canary/, 'it was not read');
    const { session } = await cordon.sessionIn(workspace);
    t.match(
      (await cordon.blocks(session)).map(({ operation, object }) => `${operation} ${object}`),
      [`read ${log}`, `read ${log}`],
      'and that it was tried is on record',
    );
  });

  await t.test('a file of /proc can be handed for reading', async (t) => {
    const [file = '', ...args] = cordon.runCommand(['cat'], options);
    const ran = spawnSync('sh', ['-c', '"$@" < /proc/version', 'sh', file, ...args], {
      env: cordon.runEnvironment(options),
      cwd: workspace,
      encoding: 'utf8',
    });
    t.equal(ran.stdout, readFileSync('/proc/version', 'utf8'), ran.stderr);
  });

  await t.test('limits, umask and session are what programs expect', async (t) => {
    const ran = await sh(
      'ulimit -Sn; umask; cut -d" " -f5,6 /proc/self/stat; echo $$; grep SigIgn /proc/self/status',
    );
    const [files, umask, group, shell, ignored] = ran.stdout.trim().split('\n');
    t.equal(files, '1024');
    t.equal(umask, '0022');
    t.equal(group, `${shell} ${shell}`, 'the command leads a session and process group of its own');
    t.match(ignored, /0{16}$/, 'no signal is ignored');
  });

  await t.test('umask and the place in the queue for memory are those of who asks', async (t) => {
    const asks = 'umask 077; echo "$1" > /proc/self/oom_score_adj; shift; exec "$@"';
    const says = 'umask; cat /proc/self/oom_score_adj; touch private; stat -c %a private; read line';
    const [file = '', ...args] = cordon.runCommand(['sh', '-c', says], options);
    const scoreOf = (pid: number): string => readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8');
    for (const asked of ['700', '0']) {
      const env = cordon.runEnvironment(options);
      const child = spawn('sh', ['-c', asks, 'sh', asked, file, ...args], { env, cwd: workspace });
      const ended = once(child, 'exit');
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await until('it has said all', () => said.split('\n').length > 3, { evidence: () => said });
      t.strictSame(said.trim().split('\n'), ['0077', asked, '600']);
      const { supervisorPid } = await cordon.sessionIn(workspace);
      await until('its supervisor is as cordond', () => scoreOf(supervisorPid) === scoreOf(cordon.daemonPid));
      child.stdin.end('go\n');
      await ended;
      rmSync(join(workspace, 'private'));
    }
  });
});
