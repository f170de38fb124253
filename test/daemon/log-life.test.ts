// The log's own records by a real cordond: opened, closed, and a new one begun.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon } from '../support/daemon.ts';
import type { TestDaemon } from '../support/daemon.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

interface Lived {
  readonly operation: string;
  readonly object: string;
  readonly reason: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

async function life(daemon: TestDaemon): Promise<Lived[]> {
  const records = await daemon.records({});
  return records.filter(({ kind }) => kind === 'log') as unknown as Lived[];
}

const operations = (records: readonly Lived[]): string[] => records.map(({ operation }) => operation);

async function stop(daemon: TestDaemon): Promise<void> {
  const child = daemon.process();
  child.kill('SIGTERM');
  await once(child, 'exit');
}

t.test('each start and each orderly stop of cordond is in the log', async (t) => {
  const daemon = await startDaemon(t);
  t.match(await life(daemon), [
    { operation: 'start', object: /^cordon-log\/[0-9a-f]{16}\/1$/, detail: { base: 0, size: 0 } },
  ]);
  await stop(daemon);
  await daemon.start();
  t.strictSame(operations(await life(daemon)), ['start', 'stop', 'start']);
  await daemon.crash();
  await daemon.start();
  t.strictSame(operations(await life(daemon)), ['start', 'stop', 'start', 'start'], 'a death says nothing');
});

t.test('a new log says that it took the place of another, and why', async (t) => {
  const daemon = await startDaemon(t);
  await stop(daemon);
  rmSync(join(daemon.stateDir, 'cordon.db.head'));
  await daemon.start();
  const [began, rotated, started] = (await daemon.records({})).slice(2) as unknown as Lived[];
  t.match(began, { kind: 'finding', operation: 'log-restart' }, 'the finding comes first');
  t.match(rotated, { operation: 'rotate', object: began?.object, reason: /signed head is missing/ });
  t.match(started, { operation: 'start', object: began?.object, detail: { base: 2 } });
  await stop(daemon);
  await daemon.start();
  t.equal(operations(await life(daemon)).filter((each) => each === 'rotate').length, 1, 'said once');
});
