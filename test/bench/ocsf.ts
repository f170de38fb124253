// Cost of making a record an event, and of the way back. Run:
//   bash daemon/scripts/node24.sh test/bench/ocsf.ts
// Each figure is the median of 40 batches of 5,000 records of one sort, no two alike. It is the thread's own time on the
// CPU, which does not grow with what else the machine does.
import { eventText, recordOf } from '../../daemon/ocsf/mod.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { inSession, sampleRecords } from '../ocsf/samples.ts';

const batches = 40;
const size = 5_000;

/** As they come from a journal: parsed, no two alike. */
const fresh = (sample: SessionRecord, from: number): SessionRecord[] =>
  Array.from({ length: size }, (_, i) => {
    const record = { ...sample, id: `s1-${from + i}`, seq: from + i, object: `${sample.object}${i}` };
    return JSON.parse(JSON.stringify(record)) as SessionRecord;
  });

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** Microseconds a record. */
function spentSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(started);
  return (user + system) / size;
}

function measure(sample: SessionRecord): {
  readonly make: number;
  readonly back: number;
  readonly bytes: number;
} {
  const make: number[] = [];
  const back: number[] = [];
  let bytes = 0;
  for (let batch = 0; batch < batches; batch++) {
    const records = fresh(sample, batch * size);
    const started = process.threadCpuUsage();
    const texts = records.map((record) => Buffer.from(eventText(record, inSession, 'record'), 'utf8'));
    make.push(spentSince(started));
    bytes = texts[0]?.length ?? 0;
    const read = texts.map(String);
    const again = process.threadCpuUsage();
    for (const text of read) recordOf(text);
    back.push(spentSince(again));
  }
  return { make: median(make), back: median(back), bytes };
}

const wanted: readonly [string, (record: SessionRecord) => boolean][] = [
  ['allowed write', ({ kind, operation }) => kind === 'file' && operation === 'write'],
  [
    'denied write with process tree',
    ({ disposition, tree }) => disposition === 'denied' && tree !== undefined,
  ],
  ['folded reads', ({ count, kind }) => kind === 'file' && count !== undefined],
  ['exec with arguments', ({ kind, detail }) => kind === 'exec' && detail?.['argv'] !== undefined],
  ['connect', ({ kind, operation }) => kind === 'connect' && operation === 'connect'],
];

console.log(
  'record                            event µs   back µs   bytes   (UTF-8 bytes included in event µs)',
);
for (const [title, test] of wanted) {
  const sample = sampleRecords.find(test);
  if (sample === undefined) throw new Error(`no sample for ${title}`);
  const { make, back, bytes } = measure(sample);
  console.log(
    `${title.padEnd(33)} ${make.toFixed(2).padStart(8)} ${back.toFixed(2).padStart(9)} ${String(bytes).padStart(7)}`,
  );
}
