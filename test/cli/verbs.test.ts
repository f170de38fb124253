import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Bodies, Kind } from '../../daemon/wire/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { cordon } from './cordon.ts';
import { fakeDaemon, type FakeDaemon } from './fake-daemon.ts';
import { golden } from './golden.ts';
import * as samples from './samples.ts';

/** A daemon that answers everything with this one message. */
const answering = <K extends Kind>(kind: K, body: Partial<Bodies[K]>): Promise<FakeDaemon> =>
  fakeDaemon({ admin: (incoming, connection) => connection.answer(incoming, kind, body) });

interface Case {
  readonly title: string;
  readonly args: readonly string[];
  readonly answer: readonly [Kind, object];
  readonly golden: string;
  readonly status?: number;
  /** Fields that the request must have carried. */
  readonly asked?: readonly [Kind, object];
}

const cases: readonly Case[] = [
  {
    title: 'sessions are shown in aligned columns',
    args: ['sessions'],
    answer: ['sessionsAnswer', { sessions: [samples.session] }],
    golden: 'sessions.txt',
  },
  {
    title: 'one session is shown with its layers, and a missing layer says so',
    args: ['sessions', 'abcd1234'],
    answer: ['sessionsAnswer', { sessions: [samples.session] }],
    golden: 'sessions-layers.txt',
    asked: ['sessions', { session: 'abcd1234' }],
  },
  {
    title: 'sessions as JSON carry every fact',
    args: ['sessions', '--json'],
    answer: ['sessionsAnswer', { sessions: [samples.session] }],
    golden: 'sessions-json.txt',
  },
  {
    title: 'no sessions is said in words',
    args: ['sessions'],
    answer: ['sessionsAnswer', { sessions: [] }],
    golden: 'sessions-none.txt',
  },
  {
    title: 'blocks are shown with id, program, object and rule, and names cannot steer the terminal',
    args: ['blocks', '--session', 'abcd1234', '--since', '2026-01-01T00:00:00Z', '--limit', '7'],
    answer: [
      'recordsAnswer',
      { records: [samples.deniedRead, samples.deniedConnect].map((r) => JSON.stringify(r)) },
    ],
    golden: 'blocks.txt',
    asked: [
      'records',
      { session: 'abcd1234', since: Date.UTC(2026, 0, 1), limit: 7, deniedOnly: true, follow: false },
    ],
  },
  {
    title: 'blocks as JSON are the records themselves',
    args: ['--json', 'blocks'],
    answer: ['recordsAnswer', { records: [JSON.stringify(samples.deniedRead)] }],
    golden: 'blocks-json.txt',
  },
  {
    title: 'no blocks is said in words',
    args: ['blocks'],
    answer: ['recordsAnswer', { records: [] }],
    golden: 'blocks-none.txt',
  },
  {
    title: 'explain says of a never rule that nothing local can allow it',
    args: ['explain', 'abcd1234-17'],
    answer: ['explainAnswer', samples.explained],
    golden: 'explain-never.txt',
    asked: ['explain', { id: 'abcd1234-17' }],
  },
  {
    title: 'explain prints the smallest change and the file to put it into',
    args: ['explain', 'abcd1234-18'],
    answer: ['explainAnswer', samples.explainedChange],
    golden: 'explain-change.txt',
  },
  {
    title: 'explain says so when no change of a profile would help',
    args: ['explain', 'abcd1234-18'],
    answer: ['explainAnswer', samples.explainedNote],
    golden: 'explain-note.txt',
  },
  {
    title: 'explain as JSON carries record and change',
    args: ['explain', 'abcd1234-18', '--json'],
    answer: ['explainAnswer', samples.explainedChange],
    golden: 'explain-change-json.txt',
  },
  {
    title: 'doctor shows every check with its fix, and fails when one fails',
    args: ['doctor'],
    answer: ['doctorAnswer', samples.checks],
    golden: 'doctor.txt',
    status: 1,
  },
  {
    title: 'freeze names the session it froze',
    args: ['freeze', 'abcd1234', '--reason', 'looks odd'],
    answer: ['controlAnswer', { sessions: ['abcd1234'], milliseconds: 12.4 }],
    golden: 'freeze.txt',
    asked: ['control', { verb: 'freeze', session: 'abcd1234', all: false, reason: 'looks odd' }],
  },
  {
    title: 'kill --all says that launches are refused from now on',
    args: ['kill', '--all'],
    answer: ['controlAnswer', { sessions: ['abcd1234', 'ef567890'], milliseconds: 80 }],
    golden: 'kill-all.txt',
    asked: ['control', { verb: 'kill', session: '', all: true }],
  },
  {
    title: 'resume as JSON carries what was resumed',
    args: ['resume', '--all', '--json'],
    answer: ['controlAnswer', { sessions: [], milliseconds: 1 }],
    golden: 'resume-json.txt',
    asked: ['control', { verb: 'resume', all: true }],
  },
  {
    title: 'audit tail prints one line a record',
    args: ['audit', 'tail'],
    answer: [
      'recordsAnswer',
      {
        records: [samples.deniedRead, samples.deniedConnect, samples.allowedRename].map((r) =>
          JSON.stringify(r),
        ),
      },
    ],
    golden: 'audit-tail.txt',
    asked: ['records', { deniedOnly: false, follow: false, limit: 20 }],
  },
  {
    title: 'audit tail as JSON prints one record a line',
    args: ['audit', 'tail', '--json'],
    answer: [
      'recordsAnswer',
      { records: [samples.deniedRead, samples.allowedRename].map((r) => JSON.stringify(r)) },
    ],
    golden: 'audit-tail-json.txt',
  },
];

for (const { title, args, answer, golden: file, status, asked } of cases) {
  t.test(title, async (t) => {
    const daemon = await answering(...answer);
    const outcome = await cordon(['--socket', daemon.admin, ...args]);
    await daemon.close();
    t.equal(outcome.stderr, '');
    t.equal(outcome.status, status ?? 0);
    golden(t, file, outcome.stdout.replaceAll(daemon.admin, '/run/cordon/admin.sock'));
    if (asked !== undefined) t.match(daemon.received[0], { kind: asked[0], body: asked[1] });
  });
}

t.test('of sessions that ended only the newest ten are shown, unless all are wanted', async (t) => {
  const sessions = Array.from({ length: 15 }, (_, index) => ({
    ...samples.session,
    session: `s${index}`,
    state: index === 0 ? 'running' : 'ended',
    ended: index === 0 ? 0 : samples.instant + 1000 - index,
  }));
  const daemon = await answering('sessionsAnswer', { sessions });
  const some = await cordon(['--socket', daemon.admin, 'sessions']);
  const all = await cordon(['--socket', daemon.admin, 'sessions', '--all']);
  await daemon.close();
  t.strictSame(
    [...some.stdout.matchAll(/^s\d+/gm)].map(String),
    sessions.slice(0, 11).map((each) => each.session),
  );
  t.match(some.stdout, /\nand 4 that ended before: --all\n$/);
  t.equal([...all.stdout.matchAll(/^s\d+/gm)].length, 15);
});

const statusAnswer = (started: number, killed: boolean): Partial<Bodies['statusAnswer']> => ({
  version: '0.1.0',
  pid: 42,
  started,
  sessions: 2,
  killed,
  records: 1234,
  denied: 5,
  json: '{"pool":1}',
});

t.test('status says what runs, for how long, and what was recorded', async (t) => {
  const daemon = await answering('statusAnswer', statusAnswer(Date.now() - 7_500_000, false));
  const outcome = await cordon(['status', '--socket', daemon.admin]);
  await daemon.close();
  golden(t, 'status.txt', outcome.stdout);
});

t.test('status says that a policy on the disk is broken, and which one is in force', async (t) => {
  const json = JSON.stringify({ policyProblem: '/etc/cordon/profiles/a.yaml:4: oops: unknown key' });
  const daemon = await answering('statusAnswer', { ...statusAnswer(1000, false), json });
  const { stdout } = await cordon(['status', '--socket', daemon.admin]);
  await daemon.close();
  t.match(stdout, /^policy +NOT RELOADED, the last good one is in force: .*a\.yaml:4: oops: unknown key$/m);
});

t.test('status as JSON carries what the daemon adds, and killed', async (t) => {
  const daemon = await answering('statusAnswer', statusAnswer(1000, true));
  const [json, text] = [
    await cordon(['status', '--socket', daemon.admin, '--json']),
    await cordon(['status', '--socket', daemon.admin]),
  ];
  await daemon.close();
  t.match(JSON.parse(json.stdout), {
    version: '0.1.0',
    pid: 42,
    started: 1000,
    killed: true,
    more: { pool: 1 },
  });
  t.match(text.stdout, /launches {2}refused since kill --all; allow them: cordon resume --all/);
});

t.test('audit tail --follow prints what comes later, until the daemon ends', async (t) => {
  const daemon = await fakeDaemon({
    admin: (incoming, connection) => {
      connection.answer(incoming, 'recordsAnswer', { records: [JSON.stringify(samples.deniedRead)] }, true);
      connection.answer(
        incoming,
        'recordsAnswer',
        { records: [JSON.stringify(samples.allowedRename)] },
        true,
      );
      connection.end();
    },
  });
  const outcome = await cordon(['audit', 'tail', '-f', '--json', '--socket', daemon.admin]);
  await daemon.close();
  t.strictSame(
    outcome.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id),
    ['abcd1234-17', 'abcd1234-19'],
  );
  t.equal(outcome.status, 1, 'a connection that ends in the middle is an error');
  t.match(outcome.stderr, /ended before the answer/);
});

t.test('a Failure of the daemon is shown with place, reason and what to do', async (t) => {
  const failure = {
    code: 'policy-invalid',
    message: 'unknown key',
    fix: 'take it out',
    file: 'p.yaml',
    line: 3,
    key: 'x',
  };
  const daemon = await answering('failure', failure);
  const text = await cordon(['explain', 'nope-1', '--socket', daemon.admin]);
  const json = await cordon(['explain', 'nope-1', '--socket', daemon.admin, '--json']);
  await daemon.close();
  t.equal(text.stderr, 'cordon: p.yaml:3: x: unknown key\n  take it out\n');
  t.equal(text.status, 1);
  t.strictSame(JSON.parse(json.stderr), { error: failure });
});

t.test('without a daemon every verb says so, and how to start it', async (t) => {
  const outcome = await cordon(['status', '--socket', '/nonexistent/admin.sock']);
  golden(t, 'no-daemon.txt', outcome.stderr);
  t.equal(outcome.status, 1);
  const environment = await cordon(['status'], { env: { CORDON_SOCKET: '/elsewhere/admin.sock' } });
  t.match(environment.stderr, /\/elsewhere\/admin\.sock does not exist/, 'CORDON_SOCKET is read');
});

t.test('doctor without a daemon checks what it can, says so and fails', async (t) => {
  const text = await cordon(['doctor', '--socket', '/nonexistent/admin.sock']);
  t.equal(text.status, 1);
  t.match(text.stdout, /^fail {2}daemon .*cannot be reached.*\n {6}→ Start it: /m);
  t.match(text.stdout, /only what can be read without it was checked/);
  const json = await cordon(['doctor', '--json', '--socket', '/nonexistent/admin.sock']);
  t.match(JSON.parse(json.stdout), { ok: false, daemon: false });
});

t.test('what is sealed is the bytes of the file, text or not', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const directory = temporaryDirectory(t);
  const file = join(directory, 'key.der');
  writeFileSync(file, bytes);
  const daemon = await answering('attestAnswer', { text: '{}' });
  t.teardown(() => daemon.close());
  const out = join(directory, 'sealed');
  t.match(await cordon(['attest', 'seal', file, '--out', out, '--socket', daemon.admin]), { status: 0 });
  t.match(daemon.received, [{ kind: 'attest', body: { verb: 'seal', text: bytes.toString('base64') } }]);
});

t.test('mistakes on the command line end with status 2 and say what to write', async (t) => {
  const attempts: readonly [readonly string[], RegExp][] = [
    [['explian'], /Did you mean explain/],
    [['explain'], /missing required argument 'id'/],
    [['kill'], /needs one session, or --all, and not both/],
    [['kill', 'abcd', '--all'], /needs one session, or --all, and not both/],
    [['blocks', '--since', 'yesterday'], /is not a time\n.*10m, 2h/],
    [['blocks', '--limit', '0'], /is not a number between/],
    [['audit', 'verify', '--key', 'k'], /--key/],
    [['audit', 'verify', '--file', 'x', '--checkpoint', 'c'], /--checkpoint/],
    [['audit', 'verify', '--file', 'x', '--database', 'd'], /--database/],
    [['blocks', '--colour'], /unknown option '--colour'/],
  ];
  for (const [args, expected] of attempts) {
    const outcome = await cordon([...args, '--socket', '/nonexistent/admin.sock']);
    t.equal(outcome.status, 2, args.join(' '));
    t.match(outcome.stderr, expected);
    t.match(outcome.stderr, /^cordon: .*\n {2}\S/, `says what to do: ${outcome.stderr}`);
    const json = await cordon([...args, '--json', '--socket', '/nonexistent/admin.sock']);
    t.match(JSON.parse(json.stderr), { error: { code: 'config-invalid', message: /./, fix: /./ } });
  }
});

t.test('the version is said by every program', async (t) => {
  const { stdout, status } = await cordon(['--version']);
  t.equal(status, 0);
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  t.equal(stdout, `${version}\n`);
});

t.test('help lists every verb, and needs no daemon', async (t) => {
  const outcome = await cordon(['--help']);
  t.equal(outcome.status, 0);
  golden(t, 'help.txt', outcome.stdout);
});
