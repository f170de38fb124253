// Much more than memory through `cordon run`, by pipes and by a terminal, both ways: every byte arrives, nothing grows,
// and who writes faster than the other reads has to wait.
import { createHash, randomBytes, type Hash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import t, { type Test } from 'tap';
import { forgetPeak, peakMemory } from '../../support/memory.ts';
import { processesNaming } from '../../support/leftovers.ts';
import { RawTerminal } from '../../support/raw-terminal.ts';
import { sized } from '../../support/size.ts';
import { until } from '../../support/until.ts';
import { prepare, skipReason, type Ground } from './ground.ts';

const MiB = 1024 * 1024;
const size = sized({ usual: 128, full: 1024 }) * MiB;
/** MiB that a process may grow by: buffers of fixed size, and garbage, of which V8 lets more gather the longer it takes. */
const slack = sized({ usual: 80, full: 96 });
const patience = 600_000;
const skip = skipReason();

/** The same random MiB again and again, which is as good as new ones to whoever carries them. */
function* bytes(total: number): Generator<Buffer> {
  const chunk = randomBytes(MiB);
  for (let left = total; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
}

function digestOf(chunks: Iterable<Buffer>): string {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

interface Watched {
  readonly name: string;
  readonly pid: number;
  readonly before: number;
}

/** cordond, the supervisor and `cordon run` of the session in this workspace, from now on. */
async function watch({ cordon, workspace }: Ground): Promise<Watched[]> {
  const { supervisorPid } = await cordon.sessionIn(workspace);
  const client = processesNaming('cordon.cjs').find(({ command }) => command.includes(workspace));
  const pids = { cordond: cordon.daemonPid, supervisor: supervisorPid, 'cordon run': client?.pid ?? 0 };
  return Object.entries(pids).map(([name, pid]) => {
    forgetPeak(pid);
    return { name, pid, before: peakMemory(pid) };
  });
}

function checkGrowth(t: Test, watched: readonly Watched[]): void {
  for (const { name, pid, before } of watched) {
    const grown = peakMemory(pid) - before;
    t.ok(grown < slack, `${name} grew by ${grown.toFixed(1)} MiB`, { before });
  }
}

t.test(`${size / MiB} MiB from stdin to stdout by pipes`, { skip }, async (t) => {
  const ground = await prepare(t, 'streams');
  const go = join(ground.workspace, 'go');
  // It reads nothing before it is told to.
  const script =
    'echo waiting >&2; until [ -e go ]; do sleep 0.1; done; cat; until [ -e done ]; do sleep 0.1; done';
  const child = ground.cordon.spawn(['sh', '-c', script], ground.how);
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error('no pipes');
  let told = '';
  stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
  await until('the command waits', () => told.includes('waiting'));
  const watched = await watch(ground);

  const wanted = createHash('sha256');
  let fed = 0;
  const counted = function* (): Generator<Buffer> {
    for (const chunk of hashed(bytes(size), wanted)) {
      fed += chunk.length;
      yield chunk;
    }
  };
  const source = Readable.from(counted(), { highWaterMark: 1 });
  const feeding = pipeline(source, stdin);
  await until('the writer is made to wait', () => stdin.writableNeedDrain);
  t.ok(fed - stdin.writableLength < 4 * MiB, 'it waits early');

  const got = createHash('sha256');
  let length = 0;
  stdout.on('data', (chunk: Buffer) => {
    got.update(chunk);
    length += chunk.length;
  });
  writeFileSync(go, '');
  await feeding;
  await until('all of it is back', () => length >= size, { within: patience });
  checkGrowth(t, watched);
  writeFileSync(join(ground.workspace, 'done'), '');
  t.equal(await new Promise((resolve) => child.once('close', resolve)), 0);
  t.equal(length, size, 'as many bytes come back');
  t.equal(got.digest('hex'), wanted.digest('hex'), 'and the same ones');
});

function* hashed(chunks: Iterable<Buffer>, hash: Hash): Generator<Buffer> {
  for (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // It ended between readdir and here.
  }
};

/** Bytes that the user's processes of this name have written so far (proc_pid_io(5)). */
function writtenBy(uid: number, name: string): number {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  return pids
    .filter((pid) => read(`/proc/${pid}/comm`).trim() === name)
    .filter((pid) => new RegExp(`^Uid:\\t${uid}\\t`, 'm').test(read(`/proc/${pid}/status`)))
    .reduce((sum, pid) => sum + Number(/^wchar: (\d+)$/m.exec(read(`/proc/${pid}/io`))?.[1] ?? 0), 0);
}

function onTerminal(t: Test, ground: Ground, script: string): RawTerminal {
  const { cordon, how, workspace } = ground;
  const command = cordon.runCommand(['sh', '-c', script], how);
  const terminal = new RawTerminal(command, { cwd: workspace, env: cordon.runEnvironment(how) });
  t.teardown(() => terminal.kill());
  return terminal;
}

t.test(`${size / MiB} MiB of output on a terminal, read slowly at first`, { skip }, async (t) => {
  const ground = await prepare(t, 'streams');
  const chunk = randomBytes(MiB);
  writeFileSync(join(ground.workspace, 'chunk'), chunk);
  const script = `stty raw -echo; printf READY; until [ -e go ]; do sleep 0.1; done
    n=0; while [ $n -lt ${size / MiB} ]; do cat chunk; n=$((n + 1)); done; until [ -e done ]; do sleep 0.1; done`;
  const terminal = onTerminal(t, ground, script);
  await until('it is ready', () => terminal.head.includes('READY'), { evidence: () => terminal.head });
  const watched = await watch(ground);
  terminal.restart();
  terminal.pause();
  writeFileSync(join(ground.workspace, 'go'), '');
  // As long as nothing is read here, its own terminal makes the program wait.
  let [written, still] = [0, 0];
  await until(
    'the program waits for its reader',
    () => {
      const now = writtenBy(ground.user.uid, 'cat');
      still = now > 0 && now === written ? still + 1 : 0;
      written = now;
      return still > 20;
    },
    { every: 50 },
  );
  checkGrowth(t, watched);
  terminal.resume();
  await until('all of it arrives', () => terminal.length >= size, { within: patience });
  checkGrowth(t, watched);
  t.equal(terminal.length, size, 'as many bytes arrive as were written');
  t.equal(terminal.digest(), digestOf(repeat(chunk, size / MiB)), 'and the same ones');
  writeFileSync(join(ground.workspace, 'done'), '');
  t.equal((await terminal.exit()).code, 0);
});

function* repeat(chunk: Buffer, times: number): Generator<Buffer> {
  for (let n = 0; n < times; n++) yield chunk;
}

t.test(`${size / MiB} MiB typed into a terminal whose program reads late`, { skip }, async (t) => {
  const ground = await prepare(t, 'streams');
  const script = `stty raw -echo; printf READY; until [ -e go ]; do sleep 0.1; done
    head -c ${size} | sha256sum | cut -c 1-64 > digest; printf TAKEN; until [ -e done ]; do sleep 0.1; done`;
  const terminal = onTerminal(t, ground, script);
  await until('it is ready', () => terminal.head.includes('READY'), { evidence: () => terminal.head });
  const watched = await watch(ground);
  const wanted = createHash('sha256');
  const typing = terminal.type(hashed(bytes(size), wanted));
  await until('the writer is made to wait', () => terminal.waiting);
  t.ok(terminal.typed < 4 * MiB, `it waits early, after ${terminal.typed} bytes`);
  checkGrowth(t, watched);
  t.equal(
    (await ground.cordon.json<{ sessions: unknown[] }>(['sessions'])).sessions.length,
    1,
    'cordond answers meanwhile',
  );
  writeFileSync(join(ground.workspace, 'go'), '');
  await typing;
  await until('all of it is taken', () => terminal.head.includes('TAKEN'), { within: patience });
  checkGrowth(t, watched);
  t.equal(
    readFileSync(join(ground.workspace, 'digest'), 'utf8').trim(),
    wanted.digest('hex'),
    'the same bytes',
  );
  writeFileSync(join(ground.workspace, 'done'), '');
  t.equal((await terminal.exit()).code, 0);
});

t.test('a terminal that goes away while its input waits ends the session', { skip }, async (t) => {
  const ground = await prepare(t, 'streams');
  const terminal = onTerminal(t, ground, 'stty raw -echo; printf READY; while :; do sleep 1; done');
  await until('it is ready', () => terminal.head.includes('READY'), { evidence: () => terminal.head });
  const { session } = await ground.cordon.sessionIn(ground.workspace);
  const gone = new AbortController();
  const typing = terminal.type(bytes(4 * MiB), gone.signal);
  await until('the writer is made to wait', () => terminal.waiting);
  gone.abort();
  await typing;
  terminal.kill();
  await until('the session is over', async () =>
    (await ground.cordon.sessions()).some((one) => one.session === session && one.state === 'ended'),
  );
});
