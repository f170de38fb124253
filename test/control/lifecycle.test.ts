import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon, until } from '../support/daemon.ts';
import { temporaryDirectory } from '../support/temporary.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

t.test(
  'a run becomes a session, whose records are there when asked for, and which leaves nothing behind',
  async (t) => {
    const daemon = await startDaemon(t);
    const gate = join(temporaryDirectory(t), 'gate');
    execFileSync('mkfifo', [gate]);
    const id = await daemon.run({ FAKE_RECORDS: '10' }, { argv: [Buffer.from('cat'), Buffer.from(gate)] });
    t.match(id, /^[a-z2-7]{8}$/);
    t.equal(statSync(join(daemon.runDir, 'sessions', id)).mode & 0o777, 0o711);
    t.match(await daemon.session(id), {
      state: 'running',
      user: 'nobody',
      profile: 'open',
      mode: 'enforce',
      argv: ['cat', gate],
      layers: [
        { layer: 'landlock', effective: true },
        { layer: 'seccomp', effective: true },
      ],
    });
    t.equal((await daemon.records({ session: id })).length, 11, 'launch and ten');
    t.equal((await daemon.records({ session: id, deniedOnly: true })).length, 5);
    writeFileSync(gate, '');
    await until(async () => (await daemon.session(id)).ended > 0);
    t.match(await daemon.session(id), { state: 'ended', exitCode: 0, allowed: 7, denied: 5, processes: 0 });
    t.notOk(existsSync(join(daemon.runDir, 'sessions', id)));
    t.strictSame(readdirSync(join(daemon.stateDir, 'journal')), []);
    t.equal((await daemon.records({ session: id })).length, 12, 'with the exit');
  },
);

t.test('a launch that the supervisor refuses is that error, and no session lives', async (t) => {
  const daemon = await startDaemon(t);
  await t.rejects(daemon.run({ FAKE_FAIL: 'layer-missing' }), { code: 'layer-missing' });
  await t.rejects(daemon.run({ FAKE_CRASH: '1' }), { code: 'launch-failed' });
  await t.rejects(daemon.run({ FAKE_LAYER: 'landlock' }), { code: 'layer-missing', message: /landlock/ });
  await t.rejects(daemon.run({}, { profile: 'nowhere' }), { code: 'not-found' });
  await until(async () => readdirSync(join(daemon.runDir, 'sessions')).length === 0);
  t.ok(await daemon.run(), 'and the next launch works');
});

t.test('what cannot be run is refused with what to do', async (t) => {
  const daemon = await startDaemon(t);
  const refusal = async (body: Parameters<typeof daemon.run>[1], pattern: object): Promise<void> => {
    const error: unknown = await daemon.run({}, body).catch((thrown: unknown) => thrown);
    t.match(error, pattern);
  };
  await refusal(
    { user: '' },
    { code: 'not-permitted', message: /never run as root/, facts: { fix: /--user/ } },
  );
  await refusal({ user: 'root' }, { code: 'not-permitted', facts: { fix: /--user/ } });
  await refusal({ user: 'no-such-user' }, { code: 'launch-failed', message: /no entry/ });
  await refusal({ argv: [] }, { code: 'launch-failed', message: /no command/ });
  await refusal({ argv: [Buffer.from('a\0b')] }, { message: /NUL/ });
  await refusal({ workspace: Buffer.from('relative') }, { message: /absolute/ });
  await refusal({ workspace: Buffer.from('/no/such/place') }, { message: /ENOENT/ });
  await refusal({ workspace: Buffer.from('/etc/passwd') }, { message: /not a directory/ });
  await refusal({ mode: 'lenient' }, { message: /no mode/ });
  await refusal({ profile: '../../etc/shadow' }, { code: 'not-found' });
});

t.test('a follower sees what is on record and then everything that comes in, without a gap', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run({ FAKE_EVERY: '2' });
  const connection = await daemon.connect();
  const seqs: number[] = [];
  for await (const { kind, body } of connection.stream('records', { session: id, follow: true })) {
    if (kind === 'recordsAnswer')
      seqs.push(...body.records.map((text) => (JSON.parse(text) as { seq: number }).seq));
    if (seqs.length > 200) break;
  }
  t.strictSame(
    seqs,
    Array.from({ length: seqs.length }, (_, i) => i + 1),
  );
});

t.test('explain gives the record, the layer in words, the rule and the change', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run({ FAKE_RECORDS: '1' });
  const connection = await daemon.connect();
  const answer = await connection.askFor('explain', { id: `${id}-2` }, 'explainAnswer');
  t.match(JSON.parse(answer.record), { id: `${id}-2`, disposition: 'denied' });
  t.match(answer, { layer: 'the policy decision', change: /allow: \[read\]/ });
  await t.rejects(connection.ask('explain', { id: `${id}-999` }), { code: 'not-found' });
  await t.rejects(connection.ask('explain', { id: 'nonsense' }), { code: 'not-found' });
});

t.test('status and policy are answered', async (t) => {
  const daemon = await startDaemon(t);
  const connection = await daemon.connect();
  const status = await connection.askFor('status', {}, 'statusAnswer');
  t.match(status, { version: 'test', killed: false, sessions: 0 });
  t.match(JSON.parse(status.json), { launchStop: null, runDir: daemon.runDir });
  const { json } = await connection.askFor('policy', { user: 'nobody' }, 'policyAnswer');
  t.strictSame(JSON.parse(json), { profile: 'open', user: 'nobody' });
});

t.test('a second daemon on the same directories is refused, and the first goes on', async (t) => {
  const daemon = await startDaemon(t);
  const { Daemon } = await import('../../daemon/control/mod.ts');
  const { fakeProfiles } = await import('../support/fake-profiles.ts');
  const settings = {
    runDir: daemon.runDir,
    stateDir: daemon.stateDir,
    profileDirs: [],
    adminGroup: 'x',
    pool: 0,
    defaultProfile: 'open',
    upstream: [],
    hosts: {},
  };
  const options = {
    settings,
    profiles: fakeProfiles(),
    version: '',
    supervisorScript: '',
    uploaderScript: '',
    now: () => 0,
  };
  t.throws(() => new Daemon(options), { code: 'unavailable', message: /another cordond/ });
  t.ok(await daemon.run());
});

t.test(
  'a changed profile takes effect in running sessions, a broken one changes nothing and is reported',
  async (t) => {
    const daemon = await startDaemon(t);
    const id = await daemon.run();
    daemon.process().kill('SIGHUP');
    await until(async () => (await daemon.session(id)).generation === 2);
    t.match(await daemon.session(id), { profileVersion: 2, generation: 2 });
    const operations = (await daemon.records({ session: id })).map(({ operation }) => operation);
    t.ok(operations.includes('policy-2'), 'the supervisor had it before the daemon said so');
    daemon.process().kill('SIGUSR2');
    const connection = await daemon.connect();
    await until(async () => {
      const { json } = await connection.askFor('status', {}, 'statusAnswer');
      return (JSON.parse(json) as { policyProblem: unknown }).policyProblem === 'the profile is broken';
    });
    t.match(await daemon.session(id), { generation: 2 });
  },
);

t.test('two changes of a profile, one soon after the other, take effect one after the other', async (t) => {
  const daemon = await startDaemon(t);
  const go = join(temporaryDirectory(t), 'go-on');
  const id = await daemon.run({ FAKE_HOLD: go });
  const operations = async (session: string, like: RegExp): Promise<string[]> =>
    (await daemon.records({ session }))
      .map(({ operation }) => String(operation))
      .filter((one) => like.test(one));
  daemon.process().kill('SIGHUP');
  await until(async () => (await operations(id, /^policy-\d/)).length === 1);
  daemon.process().kill('SIGHUP');
  await until(async () => (await operations('daemon', /^policy-reload/)).length === 2);
  writeFileSync(go, '');
  await until(async () => (await operations(id, /^policy-\d/)).length === 2);
  t.same(await operations(id, /^policy-\d/), ['policy-2', 'policy-3'], 'each is a generation of its own');
  await until(async () => (await daemon.session(id)).generation === 3);
  t.match(await daemon.session(id), { profileVersion: 3 });
});

t.test('a session that was being launched while its profile changed runs under the new one', async (t) => {
  const daemon = await startDaemon(t);
  const connection = await daemon.connect();
  // The second waits for a supervisor, with its policy compiled.
  const runs = [1, 2].map(() =>
    connection.askFor(
      'run',
      {
        profile: 'open',
        user: 'nobody',
        workspace: Buffer.from('/tmp'),
        argv: ['sleep', '1000'].map((word) => Buffer.from(word)),
      },
      'runAnswer',
      { deadline: 30_000 },
    ),
  );
  await connection.ask('status');
  daemon.process().kill('SIGHUP');
  for (const { session } of await Promise.all(runs)) {
    await until(async () => (await daemon.session(session)).profileVersion === 2);
    t.pass('it does');
  }
});
