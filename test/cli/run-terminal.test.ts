// `cordon run` on a terminal. script(1) gives it one; the fake supervisor plays the program behind it.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { isKind, type Connection } from '../../daemon/wire/mod.ts';
import { mainFile } from './cordon.ts';
import { fakeDaemon, type FakeDaemon, type Handler } from './fake-daemon.ts';
import { deniedRead } from './samples.ts';
import { until } from './until.ts';

const asUser = userInfo().uid === 0 ? ['--user', 'nobody'] : [];

interface OnTerminal {
  readonly script: ChildProcess;
  /** Everything the terminal showed, when all has ended. */
  readonly shown: Promise<string>;
  /** The CLI's pid and its terminal, once it runs. */
  readonly running: Promise<{ pid: number; tty: string }>;
  readonly settings: (which: 'before' | 'after' | 'status') => string;
}

/** On a terminal of 30 rows and 100 columns: settings before, the CLI, its status, settings after. */
function onTerminal(t: Test, daemon: FakeDaemon, args: readonly string[]): OnTerminal {
  const directory = mkdtempSync(join(tmpdir(), 'cordon-terminal-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const inner = `stty rows 30 cols 100; stty -g > ${directory}/before
    sh -c 'echo $$ $(tty) > ${directory}/running.new; mv ${directory}/running.new ${directory}/running; exec "$@"' sh "$@"
    echo $? > ${directory}/status; stty -g > ${directory}/after`;
  const command = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    mainFile,
    '--socket',
    daemon.admin,
  ];
  const words = [...command, 'run', ...args, ...asUser, '--', 'agent'].map((word) => `'${word}'`).join(' ');
  const script = spawn(
    'script',
    ['-qec', `sh -c '${inner.replaceAll("'", `'\\''`)}' sh ${words}`, '/dev/null'],
    {
      env: { PATH: '/usr/bin:/bin', TERM: 'xterm', SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const settings = (which: string): string => readFileSync(join(directory, which), 'utf8').trim();
  const started = until('the CLI to start', () => {
    const { stdout } = spawnSync('cat', [join(directory, 'running')], { encoding: 'utf8' });
    const [pid, tty] = stdout.trim().split(' ');
    return tty === undefined ? undefined : { pid: Number(pid), tty };
  });
  return { script, shown: text(script.stdout), running: started, settings };
}

/** A daemon whose supervisor does this; `say` shows text on the terminal. */
async function terminalDaemon(t: Test, attach: Handler): Promise<FakeDaemon> {
  const made = fakeDaemon({
    admin: (incoming, connection) => {
      void made.then(({ attach }) =>
        connection.answer(incoming, 'runAnswer', { session: 'abcd1234', attachPath: attach }),
      );
    },
    attach,
  });
  const daemon = await made;
  t.teardown(() => daemon.close());
  return daemon;
}

const say = (connection: Connection, words: string): boolean =>
  connection.notify('terminalOutput', { data: Buffer.from(words) });

/** `stty -a` of the terminal, asked from outside. */
const settingsOf = (tty: string): string => spawnSync('stty', ['-F', tty, '-a'], { encoding: 'utf8' }).stdout;
const isRaw = (tty: string): boolean => settingsOf(tty).includes('-icanon');

t.test('bytes are relayed, and the terminal is raw meanwhile and itself again afterwards', async (t) => {
  const typed: Buffer[] = [];
  const daemon = await terminalDaemon(t, ({ message }, connection) => {
    if (message.kind === 'attach') say(connection, 'prompt> ');
    if (!isKind(message, 'terminalInput')) return;
    typed.push(Buffer.from(message.body.data));
    if (!Buffer.concat(typed).includes('q')) return;
    say(connection, '\u001b[31mred\u001b[0m');
    connection.notify('sessionExit', { code: 7, denied: 1, blocks: [JSON.stringify(deniedRead)] });
  });
  const terminal = onTerminal(t, daemon, []);
  const { tty } = await terminal.running;
  await until('raw mode', () => (isRaw(tty) ? true : undefined));
  terminal.script.stdin?.write('\u0003\u001a\u00e9q');
  const shown = await terminal.shown;
  t.equal(Buffer.concat(typed).toString(), '\u0003\u001a\u00e9q', 'control keys arrive as bytes');
  t.match(shown, 'prompt> \u001b[31mred\u001b[0mcordon: 1 action was blocked in session abcd1234:\r\n');
  t.equal(terminal.settings('status'), '7');
  t.equal(terminal.settings('after'), terminal.settings('before'));
  t.match(daemon.received[0], { kind: 'run', body: { tty: true, rows: 30, columns: 100 } });
  t.match(daemon.received[1], { kind: 'attach', body: { tty: true, rows: 30, columns: 100 } });
});

t.test('a change of the window reaches the session', async (t) => {
  const daemon = await terminalDaemon(t, ({ message }, connection) => {
    if (isKind(message, 'terminalResize') && message.body.columns === 132)
      connection.notify('sessionExit', {});
  });
  const terminal = onTerminal(t, daemon, []);
  const { tty } = await terminal.running;
  await until('raw mode', () => (isRaw(tty) ? true : undefined));
  spawnSync('stty', ['-F', tty, 'rows', '40', 'cols', '132']);
  await terminal.shown;
  t.match(daemon.received.at(-1), { kind: 'terminalResize', body: { rows: 40, columns: 132 } });
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  t.test(`the terminal is itself again after ${signal}`, async (t) => {
    const daemon = await terminalDaemon(t, ({ message }, connection) => {
      if (isKind(message, 'forwardSignal'))
        connection.notify('sessionExit', { code: 99, signal: message.body.signal });
    });
    const terminal = onTerminal(t, daemon, []);
    const { tty, pid } = await terminal.running;
    await until('raw mode', () => (isRaw(tty) ? true : undefined));
    process.kill(pid, signal);
    await terminal.shown;
    t.equal(terminal.settings('status'), '99');
    t.equal(terminal.settings('after'), terminal.settings('before'));
  });
}

t.test('the terminal is itself again, and calm, after the supervisor died', async (t) => {
  const daemon = await terminalDaemon(t, ({ message }, connection) => {
    if (message.kind !== 'terminalResize') return;
    say(connection, '\u001b[?1049h\u001b[?25l');
    connection.end();
  });
  const terminal = onTerminal(t, daemon, []);
  const shown = await terminal.shown;
  t.equal(terminal.settings('status'), '125');
  t.equal(terminal.settings('after'), terminal.settings('before'));
  t.match(shown, '\u001b[?1049l\u001b[?25h', 'main screen and cursor are back');
  t.match(shown, 'the supervisor of session abcd1234 ended unexpectedly');
});

t.test('the terminal is itself again after a message that cannot be read', async (t) => {
  const daemon = await terminalDaemon(t, ({ message }, connection) => {
    if (message.kind === 'terminalResize') connection.socket.write(Buffer.alloc(8, 0xff));
  });
  const terminal = onTerminal(t, daemon, []);
  const shown = await terminal.shown;
  t.equal(terminal.settings('status'), '125');
  t.equal(terminal.settings('after'), terminal.settings('before'));
  t.match(shown, 'cordond sent a message that cannot be read');
});

const stateOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .charAt(0);

/** Also when nobody has asked how: its parent is gone, and who takes orphans over may take its time. */
function hasEnded(pid: number): boolean {
  try {
    return stateOf(pid) === 'Z';
  } catch {
    return true;
  }
}

t.test('while stopped by SIGTSTP the terminal is itself, and raw again after SIGCONT', async (t) => {
  const daemon = await terminalDaemon(t, ({ message }, connection) => {
    if (isKind(message, 'terminalInput') && Buffer.from(message.body.data).includes('q'))
      connection.notify('sessionExit', {});
  });
  const terminal = onTerminal(t, daemon, []);
  const { tty, pid } = await terminal.running;
  await until('raw mode', () => (isRaw(tty) ? true : undefined));
  process.kill(pid, 'SIGTSTP');
  await until('the CLI to stop', () => (stateOf(pid) === 'T' ? true : undefined));
  t.notOk(isRaw(tty));
  process.kill(pid, 'SIGCONT');
  await until('raw mode', () => (isRaw(tty) ? true : undefined));
  terminal.script.stdin?.write('q');
  await terminal.shown;
  t.equal(terminal.settings('status'), '0');
  t.equal(terminal.settings('after'), terminal.settings('before'));
});

t.test('a terminal that hangs up is told to the session, which then ends as it likes', async (t) => {
  const asked: string[] = [];
  const daemon = await terminalDaemon(t, ({ message }, connection) => {
    if (isKind(message, 'forwardSignal')) asked.push(message.body.signal);
    if (isKind(message, 'terminalInput') && message.body.end) asked.push('end of input');
    // The kernel sends SIGCONT along with SIGHUP.
    if (asked.includes('SIGHUP') && asked.includes('end of input'))
      connection.notify('sessionExit', { code: 129 });
  });
  const terminal = onTerminal(t, daemon, []);
  const { tty, pid } = await terminal.running;
  await until('raw mode', () => (isRaw(tty) ? true : undefined));
  terminal.script.kill('SIGKILL');
  await until('the CLI to end', () => hasEnded(pid) || undefined);
  t.ok(asked.includes('SIGHUP') && asked.includes('end of input'), asked.join(' '));
});

t.test('much output is shown whole and in order', async (t) => {
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}\r\n`).join('');
  const daemon = await terminalDaemon(t, ({ message }, connection) => {
    if (message.kind !== 'attach') return;
    for (let at = 0; at < lines.length; at += 60_000) say(connection, lines.slice(at, at + 60_000));
    connection.notify('sessionExit', {});
  });
  const terminal = onTerminal(t, daemon, []);
  const shown = await terminal.shown;
  // No comparison that would print a difference of 20,000 lines.
  t.equal(shown.length, lines.length);
  t.ok(shown === lines, `ends with ${JSON.stringify(shown.slice(-60))}`);
});
