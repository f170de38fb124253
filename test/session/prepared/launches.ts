// A sandbox that was prepared before its launch is used for that launch only, and only while the machine is as it was.
import t, { type Test } from 'tap';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { notBuilt, TestCordon, type Ran } from '../../support/cordon.ts';
import { Terminal } from '../../support/terminal.ts';
import { until } from '../../support/until.ts';
import { notRoot, testUser, type TestUser } from '../../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? false;
const profile = (never: readonly string[]): string => `cordon: 1
name: review
version: 1
extends: [coding-agent]
files:
${never.map((path) => `  - { never: [read, write], in: ["${path}"], because: "a secret" }\n`).join('')}`;
const nevers = ['${workspace}/secret', '${workspace}/.token'];

interface Pool {
  readonly prepared: number;
  readonly preparing: number;
  readonly used: number;
  readonly stale: number;
}

class Ground {
  readonly cordon: TestCordon;
  readonly user: TestUser;
  readonly workspace: string;

  constructor(cordon: TestCordon, user: TestUser, workspace: string) {
    this.cordon = cordon;
    this.user = user;
    this.workspace = workspace;
  }
  async pool(): Promise<Pool> {
    return (await this.cordon.json<{ more: { pool: Pool } }>(['status'])).more.pool;
  }
  put(name: string, text: string): string {
    const path = join(this.workspace, name);
    writeFileSync(path, text);
    spawnSync('chown', ['-h', `${this.user.uid}:${this.user.gid}`, path]);
    return path;
  }
  sh(script: string, user = this.user): Promise<Ran> {
    return this.cordon.run(['bash', '-c', script], { user, workspace: this.workspace, profile: 'review' });
  }
  /** Launches once, and waits until the next such launch is prepared. */
  async foresee(): Promise<Pool> {
    const ran = await this.sh('true');
    if (ran.code !== 0) throw new Error(`${ran.code}: ${ran.stderr}\n${this.cordon.log}`);
    return until(
      'the next launch is prepared',
      async () => {
        const pool = await this.pool();
        return pool.prepared === 1 ? pool : undefined;
      },
      { within: 60_000 },
    );
  }
}

async function prepare(t: Test): Promise<Ground> {
  const user = testUser('review');
  const cordon = await TestCordon.start({ profiles: { review: profile(nevers) } });
  t.teardown(() => cordon.stop().then(() => undefined));
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  return new Ground(cordon, user, workspace);
}

t.test('a prepared sandbox', { skip }, async (t) => {
  const g = await prepare(t);
  const { cordon, user, workspace } = g;

  await t.test('serves the launch it was prepared for, and records it whole', async (t) => {
    g.put('.token', 'CANARY');
    const before = await g.foresee();
    const env = { LANG: 'C.UTF-8', TERM: 'of-this-launch' };
    const ran = await cordon.run(
      ['bash', '-c', 'echo $TERM "$@"; cat .token; echo x > made; read line; echo $line; exit 7', '-', 'a b'],
      { user, workspace, profile: 'review', env, input: 'from outside\n' },
    );
    t.equal(ran.stdout, 'of-this-launch a b\nfrom outside\n', ran.stderr);
    t.equal(ran.code, 7);
    const { used, stale } = await g.pool();
    t.same({ used, stale }, { used: before.used + 1, stale: before.stale });
    const { session } = await cordon.sessionIn(workspace);
    const records = await cordon.records(session);
    t.same(
      records.map(({ seq }) => seq),
      records.map((_, i) => i + 1),
      'numbered from 1 without a hole',
    );
    // The digest of an image may be known only after the command has ended.
    const decided = records.filter(({ operation }) => operation !== 'image');
    t.match(decided.at(-1), { kind: 'session', operation: 'exit', object: '7' });
    t.ok(records.some(({ kind, operation }) => kind === 'session' && operation === 'launch'));
    t.match(await cordon.blocks(session), [{ operation: 'read', object: join(workspace, '.token') }]);
  });

  await t.test('serves also who has another umask, or may go sooner when memory ends', async (t) => {
    const before = await g.foresee();
    const how = { user, workspace, profile: 'review' };
    const command = cordon.runCommand(['sh', '-c', 'umask; cat /proc/self/oom_score_adj'], how);
    const asks = 'umask 027; echo 300 > /proc/self/oom_score_adj; exec "$@"';
    const ran = spawnSync('sh', ['-c', asks, 'sh', ...command], {
      env: cordon.runEnvironment(how),
      cwd: workspace,
      encoding: 'utf8',
    });
    t.equal(ran.stdout, '0027\n300\n', ran.stderr);
    t.equal((await g.pool()).used, before.used + 1, 'it was the prepared one');
  });

  await t.test('was made in the background, and works with the usual priority', async (t) => {
    await g.foresee();
    const nice =
      "cut -d' ' -f19 /proc/self/stat /proc/1/stat; cat /proc/self/autogroup /proc/1/autogroup | sed 's/.* //'";
    const before = await g.pool();
    const ran = await g.sh(nice);
    const [own, first, ...groups] = ran.stdout.trim().split('\n').map(Number);
    t.same([own, first], [getPriority(), getPriority()], ran.stderr);
    t.ok(groups.every((nice) => nice === 0));
    t.equal((await g.pool()).used, before.used + 1, 'it was the prepared one');
  });

  await t.test('keeps nothing of the launch before it', async (t) => {
    await g.foresee();
    await g.sh('echo left > /tmp/left; (sleep 1000 &)');
    await g.foresee();
    const ran = await g.sh('ls /tmp; pgrep -c sleep; true');
    t.equal(ran.stdout.replace(/^1$/m, ''), '\n', 'no file, and no process but the init of the sandbox');
  });

  const changes: readonly (readonly [
    what: string,
    change: () => unknown,
    script: string,
    printed?: RegExp,
  ])[] = [
    ['a never-object appears', () => void g.put('secret', 'CANARY'), 'cat secret'],
    [
      'a never-object gets another name',
      () => linkSync(join(workspace, 'secret'), join(workspace, 'other')),
      'cat other',
    ],
    [
      'a never-object is replaced',
      () => {
        g.put('next', 'CANARY-next');
        renameSync(join(workspace, 'next'), join(workspace, 'secret'));
      },
      'cat secret; ln secret third; cat third',
    ],
    [
      'the workspace is another directory',
      () => {
        renameSync(workspace, `${workspace}.old`);
        mkdirSync(workspace);
        g.put('in', 'the new one\n');
        spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
        return () => rmSync(`${workspace}.old`, { recursive: true, force: true });
      },
      'cat in; echo y > out; cat out',
      /^the new one\ny\n$/,
    ],
    [
      'the workspace is a link to a place of the same name',
      () => {
        renameSync(workspace, `${workspace}.real`);
        symlinkSync(`${workspace}.real`, workspace);
        return () => {
          rmSync(workspace);
          renameSync(`${workspace}.real`, workspace);
        };
      },
      'pwd -P',
      new RegExp(`^${workspace}.real\n$`),
    ],
    [
      'something is mounted in the workspace',
      () => {
        mkdirSync(join(workspace, 'mnt'));
        spawnSync('mount', ['-t', 'tmpfs', 'mounted', join(workspace, 'mnt')]);
        writeFileSync(join(workspace, 'mnt/file'), 'mounted\n');
        return () => void spawnSync('umount', [join(workspace, 'mnt')]);
      },
      'cat mnt/file',
      /^mounted\n$/,
    ],
  ];
  for (const [what, change, script, expected] of changes)
    await t.test(`is not used when ${what}`, async (t) => {
      const before = await g.foresee();
      const undo = change();
      if (typeof undo === 'function') t.teardown(() => void undo());
      const ran = await g.sh(script);
      if (expected !== undefined) t.match(ran.stdout, expected, ran.stderr);
      t.notMatch(ran.stdout, /CANARY/);
      t.equal((await g.pool()).used, before.used, 'what was prepared served nobody');
      const running = (await cordon.sessions()).filter(({ state }) => state === 'running');
      t.same(running, []);
    });

  await t.test('is not used when the policy has changed', async (t) => {
    const plain = g.put('plain', 'CANARY');
    t.equal((await g.sh('cat plain')).stdout, 'CANARY');
    const before = await g.foresee();
    cordon.writeProfile('review', profile([...nevers, '${workspace}/plain']));
    await until('the new policy is loaded', async () =>
      (await cordon.records('daemon')).some(({ operation }) => operation === 'policy-reload'),
    );
    const ran = await g.sh('cat plain');
    t.equal(ran.stdout, '');
    t.equal((await g.pool()).used, before.used);
    const { session } = await cordon.sessionIn(workspace);
    t.match(await cordon.blocks(session), [{ operation: 'read', object: plain }]);
  });

  await t.test('is not used for another user, mode, or terminal', async (t) => {
    const before = await g.foresee();
    const other = testUser('other');
    spawnSync('chmod', ['755', workspace, user.home]);
    t.equal((await g.sh('id -u', other)).stdout, `${other.uid}\n`);
    const terminal = new Terminal(
      cordon.runCommand(['sh', '-c', 'echo size=$(stty size)'], { user, workspace, profile: 'review' }),
      {
        cwd: workspace,
        env: cordon.runEnvironment({ user, workspace, profile: 'review' }),
        columns: 91,
        rows: 33,
      },
    );
    t.teardown(() => terminal.kill());
    await terminal.shows('size=33 91');
    t.same(await terminal.exit(), { code: 0, signal: 0 }, terminal.output);
    t.equal((await g.pool()).used, before.used);
  });

  await t.test('has the terminal of its launch', async (t) => {
    const how = { user, workspace, profile: 'review' };
    const open = (columns: number): Terminal =>
      new Terminal(cordon.runCommand(['sh', '-c', 'echo size=$(stty size)'], how), {
        cwd: workspace,
        env: cordon.runEnvironment(how),
        columns,
        rows: 44,
      });
    for (const columns of [70, 71]) {
      const terminal = open(columns);
      t.teardown(() => terminal.kill());
      t.same(await terminal.exit(), { code: 0, signal: 0 }, terminal.output);
    }
    const before = await until('a launch with a terminal is prepared', async () => {
      const pool = await g.pool();
      return pool.prepared === 1 && pool.preparing === 0 ? pool : undefined;
    });
    const terminal = open(87);
    t.teardown(() => terminal.kill());
    await terminal.shows('size=44 87');
    t.same(await terminal.exit(), { code: 0, signal: 0 }, terminal.output);
    t.equal((await g.pool()).used, before.used + 1);
  });

  await t.test('that dies is no loss', async (t) => {
    await g.sh('true');
    const before = await g.foresee();
    const found = spawnSync('pgrep', ['-f', `supervisor.js --run-dir ${cordon.runDir}`], {
      encoding: 'utf8',
    });
    const killed = found.stdout.trim().split('\n').map(Number);
    for (const pid of killed) process.kill(pid, 'SIGKILL');
    // What is killed has its sockets a moment longer.
    await until('cordond has seen them end', () => !killed.some((pid) => existsSync(`/proc/${pid}`)));
    const ran = await g.sh('echo all is well');
    t.equal(ran.stdout, 'all is well\n', ran.stderr);
    t.equal((await g.pool()).used, before.used);
    await until(
      'their directories are gone',
      () => !killed.some((pid) => existsSync(join(cordon.runDir, `stage-${pid}`))),
    );
  });

  await t.test('goes with the daemon, and leaves nothing', async (t) => {
    await g.foresee();
    t.same(await cordon.stop(), []);
  });
});
