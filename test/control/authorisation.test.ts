import t from 'tap';
import { startDaemon } from '../support/daemon.ts';
import type { TestDaemon } from '../support/daemon.ts';
import { askAs, bin, games, nobody } from '../support/users.ts';
import type { Answer, User } from '../support/users.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

const run = (body: object = {}): readonly [string, object] => [
  'run',
  { profile: 'open', workspace: { bytes: '/tmp' }, argv: [{ bytes: 'sleep' }, { bytes: '1000' }], ...body },
];
const one = async (daemon: TestDaemon, user: User, request: readonly [string, object]): Promise<Answer> =>
  (await askAs(user, daemon.adminSocket, [request]))[0]!;
const verdictOf = ({ kind, body }: Answer): string => (kind === 'failure' ? String(body['code']) : 'done');

t.test('a user starts sessions as that user and nobody else', async (t) => {
  const daemon = await startDaemon(t);
  const answers = await askAs(nobody, daemon.adminSocket, [
    run(),
    run({ user: 'nobody' }),
    run({ user: 'bin' }),
    run({ user: 'root' }),
    run({ mode: 'monitor' }),
    run({ mode: 'enforce' }),
    run({ profile: 'watching', mode: 'enforce' }),
    run({ profile: 'watching' }),
  ]);
  t.strictSame(answers.map(verdictOf), [
    'done',
    'done',
    'not-permitted',
    'not-permitted',
    'not-permitted',
    'done',
    'done',
    'done',
  ]);
  const id = String(answers[0]!.body['session']);
  t.match(await daemon.session(id), { user: 'nobody' });
  const refusals = (await daemon.records({ session: 'daemon' })).filter(
    ({ operation }) => operation === 'request-refused',
  );
  t.match(refusals[0], { object: 'run', disposition: 'denied', detail: { uid: 65534, actor: 'nobody' } });
});

/** What each of the three may do to a session of `nobody`, by message. */
const table: readonly {
  readonly request: (id: string) => readonly [string, object];
  readonly owner: string;
  readonly stranger: string;
  readonly administrator: string;
}[] = [
  {
    request: (session) => ['sessions', { session }],
    owner: 'done',
    stranger: 'not-found',
    administrator: 'done',
  },
  {
    request: (session) => ['records', { session }],
    owner: 'done',
    stranger: 'not-found',
    administrator: 'done',
  },
  {
    request: (id) => ['explain', { id: `${id}-1` }],
    owner: 'done',
    stranger: 'not-found',
    administrator: 'done',
  },
  {
    request: (session) => ['control', { verb: 'freeze', session }],
    owner: 'done',
    stranger: 'not-found',
    administrator: 'done',
  },
  {
    request: (session) => ['control', { verb: 'resume', session }],
    owner: 'done',
    stranger: 'not-found',
    administrator: 'done',
  },
  {
    request: () => ['records', { session: 'daemon' }],
    owner: 'not-found',
    stranger: 'not-found',
    administrator: 'done',
  },
  { request: () => ['status', {}], owner: 'done', stranger: 'done', administrator: 'done' },
  { request: () => ['policy', {}], owner: 'done', stranger: 'done', administrator: 'done' },
  {
    request: (session) => ['control', { verb: 'kill', session }],
    owner: 'done',
    stranger: 'not-found',
    administrator: 'done',
  },
];

t.test('each message does for owner, stranger and administrator what the table says', async (t) => {
  const daemon = await startDaemon(t, 'bin');
  const columns = [
    { who: 'stranger', user: games },
    { who: 'owner', user: nobody },
    { who: 'administrator', user: bin },
  ] as const;
  for (const { who, user } of columns) {
    const started = await one(daemon, nobody, run());
    const id = String(started.body['session']);
    const answers = await askAs(
      user,
      daemon.adminSocket,
      table.map(({ request }) => request(id)),
    );
    t.strictSame(
      answers.map(verdictOf),
      table.map((row) => row[who]),
      who,
    );
  }
});

t.test('a list shows a user the own sessions and records, and an administrator all', async (t) => {
  const daemon = await startDaemon(t, 'bin');
  const mine = String((await one(daemon, nobody, run())).body['session']);
  const theirs = String((await one(daemon, games, run())).body['session']);
  const listed = async (user: User): Promise<string[]> => {
    const [sessions, records] = await askAs(user, daemon.adminSocket, [
      ['sessions', {}],
      ['records', {}],
    ]);
    const seen = new Set((sessions!.body['sessions'] as { session: string }[]).map(({ session }) => session));
    for (const text of records!.body['records'] as string[])
      seen.add((JSON.parse(text) as { session: string }).session);
    return [...seen].sort();
  };
  t.strictSame(await listed(nobody), [mine]);
  t.strictSame(await listed(games), [theirs]);
  t.strictSame(await listed(bin), ['daemon', mine, theirs].sort(), 'with the records about none');
});

t.test(
  'what is another’s is to a stranger as if it were not there, and nothing of it is named',
  async (t) => {
    const daemon = await startDaemon(t, 'bin');
    const id = String((await one(daemon, nobody, run())).body['session']);
    const about = (await daemon.records({ session: 'daemon' })).map((record) => String(record['id']));
    const ids = [`${id}-1`, ...about];
    for (const kind of ['explain', 'prove']) {
      const missing = await one(daemon, games, [kind, { id: 'aaaaaaaa-1' }]);
      const told = await askAs(
        games,
        daemon.adminSocket,
        ids.map((each) => [kind, { id: each }] as const),
      );
      told.forEach((answer, i) => {
        const words = JSON.parse(JSON.stringify(answer).replaceAll(ids[i]!, 'aaaaaaaa-1')) as Answer;
        t.strictSame(words, missing, `${kind} ${ids[i]}`);
      });
    }
  },
);

t.test('what an administrator froze or stopped, only an administrator releases', async (t) => {
  const daemon = await startDaemon(t, 'bin');
  const id = String((await one(daemon, nobody, run())).body['session']);
  const frozen = ['control', { verb: 'freeze', session: id, reason: 'incident 7' }] as const;
  const resume = ['control', { verb: 'resume', session: id }] as const;
  t.equal(verdictOf(await one(daemon, bin, frozen)), 'done');
  t.equal(verdictOf(await one(daemon, nobody, resume)), 'not-permitted');
  t.match(await daemon.session(id), { state: 'frozen' });
  t.equal(verdictOf(await one(daemon, bin, resume)), 'done');
  t.equal(verdictOf(await one(daemon, nobody, frozen)), 'done');
  t.equal(verdictOf(await one(daemon, nobody, resume)), 'done');

  t.equal(
    verdictOf(await one(daemon, bin, ['control', { verb: 'kill', all: true, reason: 'incident 8' }])),
    'done',
  );
  const everything = ['control', { verb: 'resume', all: true }] as const;
  t.equal(verdictOf(await one(daemon, nobody, everything)), 'done', 'of the own sessions: there are none');
  t.match(await one(daemon, nobody, run()), { body: { code: 'killed', message: /incident 8/ } });
  t.equal(verdictOf(await one(daemon, bin, everything)), 'done');
  t.equal(verdictOf(await one(daemon, nobody, run())), 'done');
});

t.test('a user who stops everything stops the own sessions and launches only', async (t) => {
  const daemon = await startDaemon(t);
  const mine = String((await one(daemon, nobody, run())).body['session']);
  const theirs = String((await one(daemon, games, run())).body['session']);
  t.match(await one(daemon, nobody, ['control', { verb: 'kill', all: true }]), {
    body: { sessions: [mine] },
  });
  t.match(await daemon.session(theirs), { state: 'running' });
  t.equal(verdictOf(await one(daemon, nobody, run())), 'killed');
  t.equal(verdictOf(await one(daemon, games, run())), 'done');
  t.equal(verdictOf(await one(daemon, nobody, ['control', { verb: 'resume', all: true }])), 'done');
  t.equal(verdictOf(await one(daemon, nobody, run())), 'done');
});

t.test('the supervisor socket is root’s alone', async (t) => {
  const daemon = await startDaemon(t);
  const socket = `${daemon.runDir}/supervisor.sock`;
  await t.rejects(askAs(nobody, socket, [['supervisorHello', { pid: 1 }]]), /EACCES/);
});
