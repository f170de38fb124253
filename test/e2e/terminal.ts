// `cordon run` as a person and a script see it: the terminal behaves as without Cordon, pipes carry bytes unchanged,
// exit codes come back.
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';
import { prepare, skipReason, type Ground } from './survive/ground.ts';

const skip = skipReason();

function open(t: Test, { cordon, how, workspace }: Ground, argv: readonly string[]): Terminal {
  const terminal = new Terminal(cordon.runCommand(argv, how), {
    cwd: workspace,
    env: cordon.runEnvironment(how),
    columns: 93,
    rows: 31,
  });
  t.teardown(() => terminal.kill());
  return terminal;
}

const bash = ['bash', '--norc', '--noprofile', '-i'];

t.test('a terminal has its size, its changes of size, and its name', { skip }, async (t) => {
  const terminal = open(t, await prepare(t, 'terminal'), bash);
  terminal.type("PS1='rea''dy> '\r");
  await terminal.shows('ready>');
  terminal.type('echo "size=$(stty size)" term=$TERM; [ -t 0 ] && [ -t 1 ] && echo "both are t""ty"\r');
  await terminal.shows('size=31 93 term=xterm-256color');
  await terminal.shows('both are tty');
  terminal.resize(71, 17);
  terminal.type('\r');
  await until(
    'the new size arrives',
    () => {
      terminal.type('echo "now=$(stty size)"\r');
      return terminal.words.includes('now=1771');
    },
    { every: 200 },
  );
  terminal.type('exit 7\r');
  t.equal((await terminal.exit()).code, 7, 'the exit code is the shell’s');
});

t.test('Ctrl-C interrupts, Ctrl-Z stops, fg goes on', { skip }, async (t) => {
  const terminal = open(t, await prepare(t, 'terminal'), bash);
  terminal.type("PS1='rea''dy> '\r");
  await terminal.shows('ready>');
  // Each cat says that it runs first: what is typed before that, the shell would read.
  const cat = (n: number): string => `sh -c 'echo run""ning-${n}; exec cat'`;
  terminal.type(`${cat(1)}\r`);
  await terminal.shows('running-1');
  terminal.type('first line\r');
  await terminal.shows('first line first line');
  terminal.type('\x03');
  // An interrupt drops what was typed ahead (termios(3), NOFLSH): wait for the prompt.
  await until('the shell is back', () => /\^C.*ready>$/s.test(terminal.words));
  terminal.type('echo "code=$?"\r');
  await terminal.shows('code=130');
  terminal.type(`${cat(2)}\r`);
  await terminal.shows('running-2');
  terminal.type('\x1a');
  await until('the shell is back', () => /Stopped.*ready>$/s.test(terminal.words));
  terminal.type('jobs -l | wc -l | sed s/^/jobs=/\r');
  await terminal.shows('jobs=1');
  terminal.type('fg >/dev/null; echo back""ed; [ -t 1 ] && echo done""it\r');
  terminal.type('second line\r');
  await terminal.shows('second line');
  terminal.type('\x04');
  await terminal.shows('doneit');
  terminal.type('exit 3\r');
  const exit = await terminal.exit();
  t.equal(exit.code, 3, 'the shell ends as it was told to', { screen: terminal.words });
});

t.test('exit codes are those of the command, or say what Cordon did', { skip }, async (t) => {
  const { cordon, how, privateFile } = await prepare(t, 'terminal');
  const code = async (...argv: string[]): Promise<number> => (await cordon.run(argv, how)).code;
  t.equal(await code('true'), 0);
  t.equal(await code('sh', '-c', 'exit 42'), 42);
  t.equal(await code('sh', '-c', 'kill -TERM $$'), 143, '128 and the signal');
  t.equal(await code('no-such-program'), 127, 'not found');
  t.equal(await code(privateFile), 126, 'may not be executed');
  const refused = await cordon.run(['true'], { ...how, profile: 'no-such-profile' });
  t.equal(refused.code, 125, 'Cordon itself failed');
  t.match(refused.stderr, 'no-such-profile', 'and says why');
});

t.test('pipes carry bytes unchanged, both ways', { skip }, async (t) => {
  const ground = await prepare(t, 'terminal');
  const bytes = randomBytes(32 * 1024 * 1024);
  writeFileSync(join(ground.workspace, 'bytes'), bytes);
  const child = ground.cordon.spawn(['sh', '-c', 'cat bytes; cat >&2'], ground.how);
  const out = createHash('sha256');
  const err = createHash('sha256');
  let errors = 0;
  child.stdout?.on('data', (chunk: Buffer) => out.update(chunk));
  child.stderr?.on('data', (chunk: Buffer) => {
    err.update(chunk);
    errors += chunk.length;
  });
  child.stdin?.end(bytes);
  const code = await new Promise((resolve) => child.once('close', resolve));
  const whole = createHash('sha256').update(bytes).digest('hex');
  t.equal(code, 0);
  t.equal(out.digest('hex'), whole, 'stdout');
  t.equal(errors, bytes.length, 'stderr has what went into stdin and nothing else');
  t.equal(err.digest('hex'), whole, 'stderr');
});
