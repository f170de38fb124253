// posix_spawn(3) as the launch thread uses it: what the new image finds is what was asked for, byte for byte.
import t from 'tap';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { awaitExit, E, spawnProgram, type Ended } from '../../native-bindings/linux/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { notRoot } from '../support/user.ts';

const skip = notRoot() ?? false;
const [uid, gid] = [65534, 65534];

interface Ran extends Ended {
  readonly output: string;
}

/** Runs a script of the shell's with its standard output in a file. */
function run(
  t: Tap,
  script: string,
  argv: readonly string[] = [],
  environment: readonly string[] = [],
  input = openSync('/dev/null', 'r'),
): Ran {
  const path = join(temporaryDirectory(t), 'output');
  const output = openSync(path, 'w');
  const pid = spawnProgram({
    file: '/bin/bash',
    argv: ['bash', '-c', script, ...argv],
    environment: ['PATH=/usr/bin:/bin', ...environment],
    stdio: [input, output, output],
    newSession: true,
    uid,
    gid,
  });
  closeSync(input);
  closeSync(output);
  const ended = awaitExit(pid);
  return { ...ended, output: readFileSync(path, 'latin1') };
}
type Tap = Parameters<typeof temporaryDirectory>[0];

t.test('all its ids are the user’s, it has no capability, and we have our own again', { skip }, (t) => {
  const { output } = run(t, 'grep -E "^(Uid|Gid|CapPrm|CapEff):" /proc/self/status');
  const none = '0000000000000000';
  t.equal(
    output,
    `Uid:\t${[uid, uid, uid, uid].join('\t')}\nGid:\t${[gid, gid, gid, gid].join('\t')}\nCapPrm:\t${none}\nCapEff:\t${none}\n`,
  );
  const own = readFileSync('/proc/thread-self/status', 'latin1');
  t.match(own, /^Uid:\t0\t0\t0\t0$/m);
  t.match(own, /^Gid:\t0\t0\t0\t0$/m);
  t.end();
});

t.test('arguments and environment that are not UTF-8 arrive unchanged', { skip }, (t) => {
  const bytes = '\xff\xfe caf\xe9';
  t.equal(
    run(t, 'printf %s "$1"; printf %s "$BYTES"', ['x', bytes], [`BYTES=${bytes}`]).output,
    bytes + bytes,
  );
  t.end();
});

t.test('it leads a session of its own, and every signal does what it does by default', { skip }, (t) => {
  const { output } = run(
    t,
    'read -r -a stat </proc/$$/stat; echo $$ ${stat[5]}; grep -E "^Sig(Ign|Blk):" /proc/self/status',
  );
  const [line = ''] = output.split('\n');
  const [pid, session] = line.split(/\s+/);
  t.equal(pid, session);
  t.match(output, /^SigBlk:\t0{16}$/m);
  t.match(output, /^SigIgn:\t0{16}$/m);
  t.end();
});

t.test('its descriptors block, though they did not for the one who gave them', { skip }, (t) => {
  const input = openSync('/dev/null', constants.O_RDONLY | constants.O_NONBLOCK);
  const { output } = run(t, 'grep flags: /proc/self/fdinfo/0', [], [], input);
  t.equal(parseInt(output.split(':')[1] ?? '', 8) & constants.O_NONBLOCK, 0);
  t.end();
});

t.test('how it ended: its status, or the signal', { skip }, (t) => {
  t.match(run(t, 'exit 7'), { code: 7, signal: null });
  t.match(run(t, 'kill -TERM $$'), { code: null, signal: 15 });
  t.end();
});

t.test('what does not run says why', { skip }, (t) => {
  const program = { argv: ['x'], environment: [], stdio: [0, 1, 2], newSession: false, uid, gid } as const;
  t.equal(spawnProgram({ ...program, file: '/nowhere/to-be-found' }), -E.NOENT);
  t.equal(spawnProgram({ ...program, file: '/etc/passwd' }), -E.ACCES);
  t.end();
});
