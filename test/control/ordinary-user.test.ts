// What any local user can do to everybody else's daemon by asking for it: nothing.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { connect, encodeEnvelope, frame, message } from '../../daemon/wire/mod.ts';
import type { Bodies, Connection, Message } from '../../daemon/wire/mod.ts';
import { startDaemon, until } from '../support/daemon.ts';
import type { TestDaemon } from '../support/daemon.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { bin, games, nobody } from '../support/users.ts';
import type { User } from '../support/users.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

/** The kernel names as the peer who it was when the connection was made. */
function asPeer<T>({ uid, gid }: User, make: () => T): T {
  process.setegid!(gid);
  process.seteuid!(uid);
  try {
    return make();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}

async function connectAs(t: Test, user: User, path: string): Promise<Connection> {
  const connection = await asPeer(user, () => connect(path));
  t.teardown(() => connection.close());
  return connection;
}

const words = (...list: readonly string[]): Buffer[] => list.map((word) => Buffer.from(word));
const launch = (body: Partial<Bodies['run']> = {}): Partial<Bodies['run']> => ({
  profile: 'open',
  workspace: Buffer.from('/tmp'),
  argv: words('sleep', '1000'),
  ...body,
});
const codeOf = (error: unknown): string => (error as { code: string }).code;
const refusals = async (daemon: TestDaemon): Promise<Readonly<Record<string, unknown>>[]> =>
  (await daemon.records({ session: 'daemon' })).filter(({ operation }) => operation === 'request-refused');

t.test('a flood of dear requests of one user holds up nobody else’s', async (t) => {
  const daemon = await startDaemon(t);
  const other = await daemon.connect();
  let answered = 0;
  const connections = await Promise.all(
    Array.from({ length: 4 }, () => connectAs(t, nobody, daemon.adminSocket)),
  );
  const first = Promise.withResolvers<undefined>();
  for (const connection of connections)
    for (let i = 0; i < 31; i++)
      connection.ask('policy', { profile: 'dear' }, { deadline: 60_000 }).then(
        () => {
          answered += 1;
          first.resolve(undefined);
        },
        () => undefined,
      );
  await first.promise;
  await other.ask('status', {}, { deadline: 60_000 });
  t.ok(answered < 31, `served after ${answered} of the flood's 124`);
});

t.test('launches that wait for a supervisor count against the limit of their user', async (t) => {
  const daemon = await startDaemon(t);
  const connections = await Promise.all(
    Array.from({ length: 3 }, () => connectAs(t, nobody, daemon.adminSocket)),
  );
  const asked = connections.flatMap((connection) =>
    Array.from({ length: 24 }, () =>
      connection.ask('run', launch(), { deadline: 120_000 }).then(() => 'done', codeOf),
    ),
  );
  const answers = await Promise.all(asked);
  t.equal(answers.filter((answer) => answer === 'limit').length, 8);
  t.match(await refusals(daemon), [{ object: 'run', disposition: 'denied', detail: { uid: nobody.uid } }]);
});

t.test('nobody has any number of followers', async (t) => {
  const daemon = await startDaemon(t);
  const connection = await connectAs(t, nobody, daemon.adminSocket);
  const follow = async (from: Connection): Promise<string> => {
    const { done } = await from.stream('records', { follow: true }).next();
    return done === true ? 'ended' : 'following';
  };
  for (let i = 0; i < 64; i++) t.equal(await follow(connection), 'following');
  await t.rejects(follow(connection), { code: 'limit' });
  t.match(await refusals(daemon), [{ object: 'records', detail: { uid: nobody.uid } }]);
  connection.close();
  const next = await connectAs(t, nobody, daemon.adminSocket);
  await until(() =>
    follow(next).then(
      () => true,
      () => false,
    ),
  );
  t.equal(await follow(next), 'following', 'there is room again when the connection has ended');
});

t.test('a user who resumes while an administrator’s freeze is under way does not undo it', async (t) => {
  const daemon = await startDaemon(t, 'bin');
  const file = join(temporaryDirectory(t), 'go-on');
  const user = await connectAs(t, nobody, daemon.adminSocket);
  const administrator = await connectAs(t, bin, daemon.adminSocket);
  const environment = words(`FAKE_HOLD=${file}`);
  const { session } = await user.askFor('run', launch({ environment }), 'runAnswer', { deadline: 30_000 });
  const { initPid } = await daemon.session(session);
  const state = (): string => readFileSync(`/proc/${initPid}/stat`, 'latin1').split(') ')[1]!.slice(0, 1);
  let resumed: string;
  let frozen: string;
  // An acknowledgement that a busy machine gave too late is no freeze: then once more.
  do {
    rmSync(file, { force: true });
    await administrator.ask('control', { verb: 'resume', session });
    const freezing = administrator.ask('control', { verb: 'freeze', session }).then(() => 'done', codeOf);
    await until(() => state() === 'T');
    resumed = await user.ask('control', { verb: 'resume', session }).then(() => 'done', codeOf);
    writeFileSync(file, '');
    frozen = await freezing;
  } while (frozen !== 'done');
  t.equal(resumed, 'not-permitted');
  t.equal(state(), 'T');
  t.match(await daemon.session(session), { state: 'frozen' });
  t.match(await refusals(daemon), [{ object: 'control', detail: { uid: nobody.uid } }]);
});

t.test('command lines of any length keep nobody from the list of sessions', async (t) => {
  const daemon = await startDaemon(t);
  const user = await connectAs(t, nobody, daemon.adminSocket);
  const long = Array.from({ length: 9 }, () => 'x'.repeat(100_000));
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    const argv = words('sh', '-c', 'sleep 1000', ...long);
    ids.push((await user.askFor('run', launch({ argv }), 'runAnswer', { deadline: 30_000 })).session);
  }
  const listed: string[] = [];
  for await (const { kind, body } of (await daemon.connect()).stream('sessions'))
    if (kind === 'sessionsAnswer') listed.push(...body.sessions.map(({ session }) => session));
  t.same(listed.toSorted(), ids.toSorted());
});

t.test('nobody learns through a launch what is in a directory that is closed to him', async (t) => {
  const daemon = await startDaemon(t);
  const user = await connectAs(t, nobody, daemon.adminSocket);
  const closed = join(temporaryDirectory(t), 'closed');
  mkdirSync(closed, { mode: 0o700 });
  mkdirSync(join(closed, 'there'));
  const said = await Promise.all(
    ['there', 'missing'].map((name) =>
      user.ask('run', launch({ workspace: Buffer.from(join(closed, name)) }), { deadline: 30_000 }).then(
        () => 'it runs',
        (error: unknown) => (error as Error).message.replace(name, 'NAME'),
      ),
    ),
  );
  t.match(said[0], /EACCES/);
  t.equal(said[0], said[1]);
});

t.test('each offence is on record, also those within a second of another', async (t) => {
  const daemon = await startDaemon(t);
  const user = await connectAs(t, nobody, daemon.adminSocket);
  for (let i = 0; i < 5; i++) await t.rejects(user.ask('sinks'), { code: 'not-permitted' });
  const count = async (): Promise<number> =>
    (await refusals(daemon)).reduce((sum, record) => sum + Number(record['count'] ?? 1), 0);
  await until(async () => (await count()) >= 5);
  t.equal(await count(), 5);
});

t.test('a workspace that no path can be is not filled into a policy that is shown', async (t) => {
  const daemon = await startDaemon(t);
  const user = await connectAs(t, nobody, daemon.adminSocket);
  for (const workspace of [`/${'x'.repeat(4096)}`, 'here', '/a\0b'])
    await t.rejects(user.ask('policy', { workspace: Buffer.from(workspace) }), {
      code: 'launch-failed',
      facts: { fix: /absolute path of at most 4096 bytes/ },
    });
  for (const workspace of ['', '/srv/work'])
    t.match(await user.ask('policy', { workspace: Buffer.from(workspace) }), { kind: 'policyAnswer' });
});

/** Writes from inside the session's process namespace, and is gone before the daemon looks. */
function writeFromInside(initPid: number, socket: string, bytes: Buffer): void {
  const script = `const s = require('net').connect(${JSON.stringify(socket)}, () =>
    s.write(Buffer.from('${bytes.toString('hex')}', 'hex'), () => process.exit()))`;
  const { status } = spawnSync('nsenter', [
    ...['--target', `${initPid}`, '--pid', '--'],
    ...[process.execPath, '-e', script],
  ]);
  if (status !== 0) throw new Error('it could not write');
}

t.test('a process of a session that is gone already steers nothing by the admin socket', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run();
  const { initPid } = await daemon.session(id);
  const request: Message = message('control', { verb: 'kill', all: true, reason: 'from inside' });
  daemon.process().kill('SIGSTOP');
  try {
    writeFromInside(
      initPid,
      daemon.adminSocket,
      frame(encodeEnvelope({ request: 1, more: false, message: request })),
    );
  } finally {
    daemon.process().kill('SIGCONT');
  }
  const closed = async (): Promise<string[]> =>
    (await daemon.records({ session: 'daemon' }))
      .filter(({ operation }) => operation === 'connection-closed')
      .map(({ reason }) => String(reason));
  await until(async () => (await closed()).length > 0);
  t.match(await closed(), [/is gone: whose it was cannot be told/]);
  t.match(await daemon.session(id), { state: 'running' });
});

t.test('an agent’s socket is not for other users, whatever process they come from', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run();
  const { initPid } = await daemon.session(id);
  const socket = join(daemon.runDir, 'sessions', id, 'agent', 'agent.sock');
  const script = `process.setgroups([]); process.setgid(${games.gid}); process.setuid(${games.uid});
    const s = require('net').connect(${JSON.stringify(socket)});
    s.on('close', () => process.exit(0)); s.on('error', () => undefined);
    setTimeout(() => process.exit(9), 20000)`;
  const inside = ['--target', `${initPid}`, '--pid', '--', process.execPath, '-e', script];
  t.equal(spawnSync('nsenter', inside).status, 0, 'it was closed');
  t.match(
    (await daemon.records({ session: 'daemon' })).filter(({ object }) => object === 'agent.sock'),
    [{ operation: 'connection-closed', disposition: 'denied', reason: /uid 5 is not that of session/ }],
  );
});

/** The descriptor that the next open would get. */
function nextDescriptor(pid: number): number {
  const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  for (let fd = 0; ; fd++) if (!taken.has(fd)) return fd;
}

t.test('a daemon that gets no more descriptors refuses, lives, and serves again', async (t) => {
  const daemon = await startDaemon(t);
  const user = await connectAs(t, nobody, daemon.adminSocket);
  await user.ask('status');
  const administrator = await daemon.connect();
  await administrator.ask('status');
  const pid = daemon.process().pid!;
  const limit = (soft: string): boolean =>
    t.equal(spawnSync('prlimit', ['--pid', `${pid}`, `--nofile=${soft}:`]).status, 0);
  const before = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'latin1'))![1]!;
  for (const more of [0, 2, 4]) {
    limit(`${nextDescriptor(pid) + more}`);
    const sockets: Socket[] = [];
    for (let i = 0; i < 8; i++) {
      const socket = createConnection(daemon.adminSocket).on('error', () => undefined);
      sockets.push(socket);
      await once(socket, 'connect').catch(() => undefined);
    }
    for (const socket of sockets) socket.destroy();
    const refused = await user.ask('run', launch(), { deadline: 60_000 }).then(() => 'done', codeOf);
    if (more === 0) t.not(refused, 'done');
    const verified = await administrator.ask('verify', {}, { deadline: 60_000 }).then(() => 'done', codeOf);
    if (more === 0) t.not(verified, 'done', 'nor is there a process that verifies the log');
    t.ok(existsSync(`/proc/${pid}`), `with ${more} more it lives`);
  }
  limit(before);
  await until(() =>
    user.ask('run', launch(), { deadline: 60_000 }).then(
      () => true,
      () => false,
    ),
  );
  t.match(await user.ask('status'), { kind: 'statusAnswer' });
});
