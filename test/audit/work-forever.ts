// Test process: takes a journal in, signs checkpoints, prunes and acknowledges, again and again, until it is killed or
// meets an error, which it prints. With a number of steps it goes on after errors, as cordond does, and ends after them.
// What makes the errors (RLIMIT_FSIZE, strace) is the parent's. `kept N`: note N is acknowledged. With an even seed and no
// number of steps the journal is read ahead by a second thread.
import { writeSync } from 'node:fs';
import { openAudit } from '../../daemon/audit/mod.ts';
import { randomFrom } from '../support/seed.ts';
import { sampleSession } from '../support/records.ts';

const [database, journal, session, seed, count] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string?,
];
process.on('SIGXFSZ', () => undefined);
const day = 86_400_000;
const say = (line: string): void => void writeSync(1, `${line}\n`);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const ahead = count === undefined && Number(seed) % 2 === 0;
const open = (): ReturnType<typeof openAudit> => {
  const now = (): number => 1_700_000_000_000 + 10 * day;
  const audit = openAudit(database, { now, ...(ahead ? { backlog: 1 } : {}) });
  const { spool, registry } = audit;
  if (spool.open.includes(session)) return audit;
  if (registry.get(session) === undefined) registry.add(sampleSession(session), journal);
  spool.register(session, journal);
  return audit;
};
const opened = (): ReturnType<typeof openAudit> => {
  try {
    return open();
  } catch (error) {
    if (count === undefined) throw error;
    say(`not opened ${messageOf(error)}`);
    process.exit(4);
  }
};
const audit = opened();
const { spool } = audit;
say('ready');

const next = randomFrom(Number(seed));
const random = (below: number): number => Math.floor(next() * below);
const note = {
  kind: 'admin',
  operation: 'x',
  object: 'o',
  disposition: 'observed',
  layer: 'daemon',
} as const;
let notes = 0;
const steps: readonly (() => unknown)[] = [
  () => (ahead ? spool.drain(session) : spool.drainBatch(session)),
  () => spool.drainBatch(session),
  () => audit.checkpoint(),
  () => {
    notes += 1;
    spool.append('daemon', { ...note, reason: `note ${seed} ${notes}` });
    if (count !== undefined) say(`kept ${seed} ${notes}`);
  },
  () => audit.prune({ keep: { default: 5 * day }, whenFull: 'deny' }, []),
  () => audit.tend(),
];
let left = Number(count ?? Infinity);
const failed = (error: unknown): void => {
  say(`failed ${messageOf(error)}`);
  if (count === undefined) process.exit(3);
};
const work = (): void => {
  if (left-- <= 0) process.exit(0);
  try {
    const done = steps[random(steps.length)]?.();
    if (done instanceof Promise) done.catch(failed);
  } catch (error) {
    failed(error);
  }
  setImmediate(work);
};
work();
