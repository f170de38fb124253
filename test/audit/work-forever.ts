// Test process: takes a journal in, signs checkpoints, prunes and acknowledges, again and again, until it is killed or
// meets an error, which it prints. The limit on the size of files (RLIMIT_FSIZE), if any, is the parent's.
import { openAudit } from '../../daemon/audit/mod.ts';
import { sampleSession } from '../support/records.ts';

const [database, journal, session, seed] = process.argv.slice(2) as [string, string, string, string];
process.on('SIGXFSZ', () => undefined);
const day = 86_400_000;
const audit = openAudit(database, { now: () => 1_700_000_000_000 + 10 * day });
const { spool, registry } = audit;
if (!spool.open.includes(session)) {
  if (registry.get(session) === undefined) registry.add(sampleSession(session), journal);
  spool.register(session, journal);
}
process.stdout.write('ready\n');

let state = Number(seed);
const random = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const note = {
  kind: 'admin',
  operation: 'x',
  object: 'o',
  disposition: 'observed',
  layer: 'daemon',
} as const;
const steps: readonly (() => unknown)[] = [
  () => spool.drainBatch(session),
  () => spool.drainBatch(session),
  () => audit.checkpoint(),
  () => spool.append('daemon', { ...note, reason: 'a step' }),
  () => audit.prune({ keep: { default: 5 * day }, whenFull: 'deny' }, []),
  () => audit.tend(),
];
const work = (): void => {
  try {
    steps[random(steps.length)]?.();
    setImmediate(work);
  } catch (error) {
    process.stdout.write(`failed ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(3);
  }
};
work();
