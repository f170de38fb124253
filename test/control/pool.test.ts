import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mock } from 'node:test';
import t from 'tap';
import type { Test } from 'tap';
import { processes } from '../../native-bindings/linux/mod.ts';
import { SupervisorPool } from '../../daemon/control/supervisor-pool.ts';
import type { SupervisorLink } from '../../daemon/control/supervisor-link.ts';
import type { CloseReason, Connection } from '../../daemon/wire/mod.ts';
import { until } from '../support/daemon.ts';

interface Fake {
  readonly link: SupervisorLink;
  readonly gone: Promise<unknown>;
  leave(): void;
}

/** A process that stands for an idle supervisor, and a connection that does nothing. */
function supervisor(t: Test, mountTable = 'now'): Fake {
  const child = spawn('sleep', ['1000']);
  t.teardown(() => child.kill('SIGKILL'));
  const { promise, resolve } = Promise.withResolvers<CloseReason>();
  const leave = (): void => resolve({ why: 'ended', detail: '' });
  const connection = { closed: promise, close: leave } as unknown as Connection;
  const pid = child.pid!;
  const hello = { pid, version: '', session: '', mountTable, initPid: 0, info: '', fanotifyFd: 0 };
  return {
    link: { connection, pid, start: '', pidfd: processes.pidfdOpen(pid), hello },
    gone: once(child, 'exit'),
    leave,
  };
}

interface Ground {
  readonly pool: SupervisorPool;
  readonly spawned: PromiseWithResolvers<string>[];
  /** Of each that was spawned, 1 when it was. */
  readonly hurried: number[];
  mounts: string;
}
function ground(t: Test, size: number): Ground {
  const spawned: PromiseWithResolvers<string>[] = [];
  const made: Ground = {
    spawned,
    hurried: [],
    mounts: 'now',
    pool: new SupervisorPool({
      size,
      spawn: () => {
        const process = Promise.withResolvers<string>();
        const at = spawned.push(process) - 1;
        made.hurried[at] = 0;
        return { pid: -spawned.length, exited: process.promise, hurry: () => (made.hurried[at] = 1) };
      },
      mountTable: () => made.mounts,
      lastWords: () => 'Error: no such layer',
    }),
  };
  t.teardown(() => made.pool.stop());
  return made;
}

t.test('the oldest that is ready goes first, and what is missing is started', async (t) => {
  const { pool, spawned } = ground(t, 2);
  pool.fill();
  t.equal(spawned.length, 2);
  const [first, second] = [supervisor(t), supervisor(t)];
  pool.offer(first.link);
  pool.offer(second.link);
  t.equal((await pool.take()).pid, first.link.pid);
  t.equal((await pool.take()).pid, second.link.pid);
  pool.fill();
  t.ok(spawned.length >= 2);
});

t.test('who takes from an empty pool gets the next that says hello', async (t) => {
  const { pool, spawned } = ground(t, 0);
  const taken = pool.take();
  t.equal(spawned.length, 1);
  const late = supervisor(t);
  pool.offer(late.link);
  t.equal((await taken).pid, late.link.pid);
});

t.test('what is started ahead is not hurried until somebody waits for it', (t) => {
  const { pool, hurried } = ground(t, 2);
  pool.fill();
  t.same(hurried, [0, 0]);
  const taken = pool.take();
  t.ok(hurried.length >= 2 && hurried.every((times) => times > 0), 'also those that were under way');
  pool.offer(supervisor(t).link);
  return taken;
});

t.test('after a launch nothing is started for a moment, unless the next would find none', async (t) => {
  mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] });
  t.teardown(() => mock.timers.reset());
  const { pool, spawned } = ground(t, 2);
  pool.offer(supervisor(t).link);
  pool.launched();
  pool.fill();
  t.equal(spawned.length, 0, 'one is ready');
  t.equal(pool.counts.starting, 1, 'but another is on its way');
  mock.timers.tick(1000);
  t.equal(spawned.length, 1);
  await pool.take();
  pool.launched();
  mock.timers.tick(1);
  t.equal(spawned.length, 2, 'none is ready');
});

t.test('one prepared for another mount table is ended and not handed out', async (t) => {
  const made = ground(t, 2);
  const [stale, fresh] = [supervisor(t, 'before'), supervisor(t, 'now')];
  made.pool.offer(stale.link);
  made.pool.offer(fresh.link);
  t.equal((await made.pool.take()).pid, fresh.link.pid);
  await stale.gone;
  t.strictSame(made.pool.counts.ready, 0);
});

t.test('one more than the pool holds is ended', async (t) => {
  const { pool } = ground(t, 1);
  const [kept, extra] = [supervisor(t), supervisor(t)];
  pool.offer(kept.link);
  pool.offer(extra.link);
  await extra.gone;
  t.equal(pool.counts.ready, 1);
});

t.test('one that leaves is replaced', async (t) => {
  const { pool, spawned } = ground(t, 1);
  const idle = supervisor(t);
  pool.offer(idle.link);
  idle.leave();
  await until(() => spawned.length === 1);
  t.equal(pool.counts.ready, 0);
});

t.test('when supervisors die before they are ready, who waits is told why', async (t) => {
  const { pool, spawned } = ground(t, 1);
  const taken = pool.take();
  for (const { resolve } of spawned) resolve('exit status 1');
  await t.rejects(taken, { code: 'launch-failed', message: /exit status 1.*no such layer/ });
});

t.test('a daemon that stops ends its idle supervisors and whoever waits', async (t) => {
  const { pool } = ground(t, 1);
  const idle = supervisor(t);
  pool.offer(idle.link);
  await pool.take();
  const taken = pool.take();
  pool.stop();
  await t.rejects(taken, { code: 'launch-failed' });
});
