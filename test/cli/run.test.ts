// `cordon run` when stdin or stdout is not a terminal.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { isKind, type Bodies, type Kind, type MessageOf } from '../../daemon/wire/mod.ts';
import { cordon, mainFile, startCordon } from './cordon.ts';
import { fakeDaemon, type FakeDaemon, type Handler } from './fake-daemon.ts';
import { golden } from './golden.ts';
import { deniedConnect, deniedRead } from './samples.ts';
import { until } from './until.ts';

/** Root must say for whom. */
const asUser = userInfo().uid === 0 ? ['--user', 'nobody'] : [];

/** A daemon that starts a session, and a supervisor that does this. */
function sessionDaemon(attach: Handler): Promise<FakeDaemon> {
  const made = fakeDaemon({
    admin: (incoming, connection) => {
      void made.then(({ attach }) =>
        connection.answer(incoming, 'runAnswer', { session: 'abcd1234', attachPath: attach }),
      );
    },
    attach,
  });
  return made;
}

const ending = (exit: Partial<Bodies['sessionExit']>): Promise<FakeDaemon> =>
  sessionDaemon((incoming, connection) => {
    if (incoming.message.kind === 'attach') connection.notify('sessionExit', exit);
  });

function bodyOf<K extends Kind>(daemon: FakeDaemon, kind: K): Bodies[K] {
  const found = daemon.received.find((message): message is MessageOf<K> => isKind(message, kind));
  if (found === undefined) throw new Error(`no ${kind} came`);
  return found.body as Bodies[K];
}

t.test('the request carries command, directory and environment byte for byte', async (t) => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'cordon-run-')));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const daemon = await ending({});
  const script = `mkdir "$(printf 'w\\377')" && cd "$(printf 'w\\377')" && NAME="$(printf 'v\\376')" && export NAME &&
    exec "$0" --disable-warning=ExperimentalWarning "$@" -- cmd '' "$(printf 'a\\375b')" --json`;
  const main = [mainFile, '--socket', daemon.admin, 'run', ...asUser, '--profile', 'coding-agent'];
  const child = startShell(script, [process.execPath, ...main], directory);
  t.equal(await child, 0);
  await daemon.close();
  const run = bodyOf(daemon, 'run');
  const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  t.strictSame(run.argv.map(latin1), ['cmd', '', 'a\u00fdb', '--json']);
  t.equal(latin1(run.cwd), `${directory}/w\u00ff`);
  t.equal(latin1(run.workspace), `${directory}/w\u00ff`, 'the current directory when none is given');
  t.ok(run.environment.map(latin1).includes('NAME=v\u00fe'));
  t.match(run, { profile: 'coding-agent', mode: '', tty: false, rows: 0, columns: 0 });
  t.match(bodyOf(daemon, 'attach'), { tty: false });
});

async function startShell(script: string, args: readonly string[], cwd: string): Promise<number | null> {
  const { spawn } = await import('node:child_process');
  const child = spawn('/bin/sh', ['-c', script, ...args], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once('close', resolve);
  return promise;
}

t.test('a profile given as a file and a workspace are made absolute', async (t) => {
  const daemon = await ending({});
  const args = [
    'run',
    ...asUser,
    '--profile',
    './p.yaml',
    '--workspace',
    'inner',
    '--mode',
    'monitor',
    '--',
    'true',
  ];
  const cwd = realpathSync(t.testdir({ inner: {} }));
  await cordon(['--socket', daemon.admin, ...args], { cwd });
  const missing = await cordon(['--socket', daemon.admin, 'run', ...asUser, '--workspace', 'none', 'true'], {
    cwd,
  });
  await daemon.close();
  const run = bodyOf(daemon, 'run');
  t.match(run, { profile: join(cwd, 'p.yaml'), mode: 'monitor' });
  t.equal(Buffer.from(run.workspace).toString(), join(cwd, 'inner'));
  t.equal(run.cwd.length, 0, 'we are not in the workspace, so the command starts there');
  t.equal(missing.status, 125);
  t.match(
    missing.stderr,
    /^cordon: the workspace none cannot be used: .*ENOENT.*\n {2}Give an existing directory/,
  );
});

t.test('the exit status is that of the command', async (t) => {
  for (const [code, status] of [
    [0, 0],
    [3, 3],
    [137, 137],
    [126, 126],
    [127, 127],
    [-1, 125],
    [300, 125],
  ] as const) {
    const daemon = await ending({ code });
    const outcome = await cordon(['--socket', daemon.admin, 'run', ...asUser, '--', 'x']);
    await daemon.close();
    t.equal(outcome.status, status, `code ${code}`);
    t.equal(outcome.stderr, '', 'nothing was blocked, so nothing is said');
  }
});

const blocked: Partial<Bodies['sessionExit']> = {
  code: 1,
  denied: 12,
  blocks: [deniedRead, deniedConnect].map((record) => JSON.stringify(record)),
};

t.test('what was blocked is summed up on stderr, and nothing on stdout', async (t) => {
  const daemon = await ending(blocked);
  const text = await cordon(['--socket', daemon.admin, 'run', ...asUser, '--', 'x']);
  const quiet = await cordon(['--socket', daemon.admin, 'run', ...asUser, '--quiet', '--', 'x']);
  const json = await cordon(['--socket', daemon.admin, 'run', ...asUser, '--json', '--', 'x']);
  await daemon.close();
  golden(t, 'run-summary.txt', text.stderr);
  golden(t, 'run-summary-json.txt', json.stderr);
  t.equal(quiet.stderr, '');
  for (const outcome of [text, quiet, json]) t.match(outcome, { stdout: '', status: 1 });
});

t.test('a command that could not start says why', async (t) => {
  const daemon = await ending({
    code: 126,
    reason: '/usr/bin/sudo: exec was denied: no change of identity',
    denied: 0,
  });
  const outcome = await cordon(['--socket', daemon.admin, 'run', ...asUser, '--', 'sudo']);
  await daemon.close();
  t.equal(outcome.stderr, 'cordon: /usr/bin/sudo: exec was denied: no change of identity\n');
});

t.test('stdin is not read: what the command leaves is there for the next reader', async (t) => {
  const daemon = await ending({});
  const script = '"$0" --disable-warning=ExperimentalWarning "$@"; cat';
  const args = [process.execPath, mainFile, '--socket', daemon.admin, 'run', ...asUser, '--', 'x'];
  const { spawn } = await import('node:child_process');
  const child = spawn('/bin/sh', ['-c', script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end('for the next reader');
  const { text } = await import('node:stream/consumers');
  t.equal(await text(child.stdout), 'for the next reader');
  await daemon.close();
});

t.test('signals are forwarded, and the session decides when it ends', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1'] as const) {
    const daemon = await sessionDaemon((incoming, connection) => {
      if (incoming.message.kind === 'forwardSignal') connection.notify('sessionExit', { code: 99 });
    });
    const running = startCordon(['--socket', daemon.admin, 'run', ...asUser, '--', 'x']);
    await daemon.seen('attach');
    running.child.kill(signal);
    t.match(await daemon.seen('forwardSignal'), { body: { signal } });
    t.equal((await running.outcome).status, 99, signal);
    await daemon.close();
  }
});

const stateOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .charAt(0);

t.test('a stop is forwarded and stops us too, and so is the continuation', async (t) => {
  const daemon = await sessionDaemon((incoming, connection) => {
    if (isKind(incoming.message, 'forwardSignal') && incoming.message.body.signal === 'SIGCONT')
      connection.notify('sessionExit', {});
  });
  const running = startCordon(['--socket', daemon.admin, 'run', ...asUser, '--', 'x']);
  await daemon.seen('attach');
  const pid = running.child.pid ?? 0;
  running.child.kill('SIGTSTP');
  t.match(await daemon.seen('forwardSignal'), { body: { signal: 'SIGTSTP' } });
  await until('the CLI to stop', () => (stateOf(pid) === 'T' ? true : undefined));
  running.child.kill('SIGCONT');
  t.match(await daemon.seen('forwardSignal', 2), { body: { signal: 'SIGCONT' } });
  t.equal((await running.outcome).status, 0);
  await daemon.close();
});

t.test('a second SIGTERM ends us even when the session does not end', async (t) => {
  const daemon = await sessionDaemon(() => undefined);
  const running = startCordon(['--socket', daemon.admin, 'run', ...asUser, '--', 'x']);
  await daemon.seen('attach');
  running.child.kill('SIGTERM');
  await daemon.seen('forwardSignal');
  running.child.kill('SIGTERM');
  const outcome = await running.outcome;
  t.equal(outcome.status, 143);
  t.match(outcome.stderr, /SIGTERM came twice; session abcd1234 was left/);
  await daemon.close();
});

t.test('a supervisor that dies is reported, with status 125', async (t) => {
  const daemon = await sessionDaemon((_incoming, connection) => connection.close());
  const outcome = await cordon(['--socket', daemon.admin, 'run', ...asUser, '--', 'x']);
  await daemon.close();
  t.equal(outcome.status, 125);
  golden(t, 'run-supervisor-died.txt', outcome.stderr);
});

t.test('a launch that is refused is reported, with status 125', async (t) => {
  const failure = {
    code: 'killed',
    message: 'launches are refused since kill --all',
    fix: 'cordon resume --all',
  };
  const daemon = await fakeDaemon({
    admin: (incoming, connection) => connection.answer(incoming, 'failure', failure),
  });
  const text = await cordon(['--socket', daemon.admin, 'run', ...asUser, '--', 'x']);
  const json = await cordon(['--socket', daemon.admin, 'run', ...asUser, '--json', '--', 'x']);
  await daemon.close();
  t.equal(text.status, 125);
  t.equal(text.stderr, 'cordon: launches are refused since kill --all\n  cordon resume --all\n');
  t.strictSame(JSON.parse(json.stderr), { error: failure });
});

t.test('without a daemon run ends with 125 and says how to start it', async (t) => {
  const outcome = await cordon(['--socket', '/nonexistent/admin.sock', 'run', ...asUser, '--', 'x']);
  t.equal(outcome.status, 125);
  golden(t, 'no-daemon.txt', outcome.stderr);
});

t.test('run --help is help, and a command called --help is a command', async (t) => {
  const help = await cordon(['run', '--help']);
  t.equal(help.status, 0);
  t.match(help.stdout, /^Usage: cordon run /);
  const daemon = await ending({});
  await cordon(['--socket', daemon.admin, 'run', ...asUser, 'ls', '--help']);
  await daemon.close();
  t.equal(bodyOf(daemon, 'run').argv.length, 2);
});

t.test('bash completes verbs, options and modes', async (t) => {
  const { stdout } = await cordon(['completion', 'bash']);
  const complete = (...words: string[]): string[] => {
    const script = `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cordon; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout: replies, stderr } = spawnSync('bash', ['-c', script, 'bash', 'cordon', ...words], {
      encoding: 'utf8',
    });
    t.equal(stderr, '');
    return replies.trim().split('\n');
  };
  t.strictSame(complete('st'), ['status']);
  t.ok(complete('audit', '').includes('sinks'));
  t.strictSame(complete('run', '--wor'), ['--workspace']);
  t.strictSame(complete('run', '--mode', 'mo'), ['monitor']);
  t.strictSame(complete('--socket', '/x', 'blo'), ['blocks']);
});
