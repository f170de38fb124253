// What is made ready in the background has the usual priority again before it serves: threads, children, groups.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import t, { type Test } from 'tap';
import { credentials, procfs } from '../../native-bindings/linux/mod.ts';
import { inBackground, toBackground, toForeground } from '../../daemon/control/background.ts';
import { until } from '../support/until.ts';
import { notRoot } from '../support/user.ts';

const skip = notRoot() ?? (procfs.hasCapability(credentials.CAP.SYS_NICE) ? false : 'without CAP_SYS_NICE');
const usual = getPriority();

/** A process with threads, which starts a child when it is told to, and says what it did. */
const program = `
const { Worker } = require('node:worker_threads');
new Worker('setInterval(() => {}, 1000)', { eval: true }).once('online', () => console.log('threads'));
process.stdin.once('data', () => {
  const child = require('node:child_process').spawn('sleep', ['1000'], { stdio: 'ignore' });
  console.log('child ' + child.pid);
  process.once('SIGTERM', () => { child.kill('SIGKILL'); process.exit(0); });
});`;

async function subject(t: Test): Promise<{ pid: number; birth: () => Promise<number> }> {
  const child = spawn(process.execPath, ['-e', program], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  t.teardown(async () => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  });
  await until('it has its threads', () => said.includes('threads'));
  const birth = async (): Promise<number> => {
    child.stdin.write('\n');
    return Number((await until('it has a child', () => /child (\d+)/.exec(said)))[1]);
  };
  return { pid: child.pid ?? 0, birth };
}

const priorities = (pid: number): number[] => [
  ...new Set(readdirSync(`/proc/${pid}/task`).map((tid) => getPriority(Number(tid)))),
];
/** `nice N` of the group that autogroup makes; undefined where the kernel makes none. */
const group = (pid: number): string | undefined => {
  const file = `/proc/${pid}/autogroup`;
  return existsSync(file) ? /nice .*/.exec(readFileSync(file, 'utf8'))?.[0] : undefined;
};

t.test(
  'every thread goes into the background, and comes back with what was started there',
  { skip },
  async (t) => {
    const { pid, birth } = await subject(t);
    const before = group(pid);
    toBackground(pid);
    t.same(priorities(pid), [usual + 10]);
    if (before !== undefined) t.equal(group(pid), 'nice 10');
    const child = await birth();
    t.same(priorities(child), [usual + 10], 'a child inherits it');
    toForeground(pid);
    t.same(priorities(pid), [usual]);
    t.same(priorities(child), [usual]);
    if (before !== undefined) t.equal(group(pid), 'nice 0');
  },
);

t.test('it comes back when the work failed', { skip }, async (t) => {
  const { pid } = await subject(t);
  await t.rejects(
    inBackground(pid, () => {
      t.same(priorities(pid), [usual + 10]);
      return Promise.reject(new Error('failed'));
    }),
    /failed/,
  );
  t.same(priorities(pid), [usual]);
});

t.test('a process that is gone is no error', { skip }, async (t) => {
  const child = spawn('true');
  await once(child, 'exit');
  toBackground(child.pid ?? 0);
  toForeground(child.pid ?? 0);
  t.pass();
});
