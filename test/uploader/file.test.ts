import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  appendFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import type { FileSink } from '../../daemon/model/mod.ts';
import { fileSink } from '../../daemon/uploader/mod.ts';
import { fakeLog, origin } from '../support/fake-log.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { startUploads } from '../support/uploads.ts';

const settings = (directory: string, more: Partial<FileSink> = {}): FileSink => ({
  kind: 'file',
  name: 'shipper',
  directory,
  rotateSize: 1e9,
  rotateAge: 1e9,
  keep: 3,
  filter: {},
  batch: 50,
  bandwidth: 0,
  battery: 0,
  ...more,
});

const own = (directory: string): string => {
  const path = join(directory, 'records');
  mkdirSync(path, { mode: 0o750 });
  return path;
};
interface Line {
  readonly uid?: string;
  readonly position?: number;
  readonly checkpoint?: string;
  readonly event?: unknown;
}
const linesOf = (path: string): Line[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);

t.test('records are lines of JSON that hold the canonical bytes', async (t) => {
  const directory = own(temporaryDirectory(t));
  const log = fakeLog();
  log.add(120);
  log.sign();
  const { info } = startUploads(t, log, [settings(directory)]);
  await until('all is acknowledged', () => info('shipper').next === 120 && info('shipper').state === 'idle');
  const path = join(directory, 'shipper.jsonl');
  const lines = linesOf(path);
  t.strictSame(
    lines.slice(0, 120).map(({ uid }) => uid),
    log.all.map(({ uid }) => uid),
  );
  t.match(lines.at(-1), { log: origin, size: 120, checkpoint: log.checkpoint()?.note });
  t.ok(readFileSync(path, 'utf8').includes(`"event":${log.all[7]!.text.toString()}}\n`), 'byte for byte');
  t.equal(statSync(path).mode & 0o777, 0o640);
});

t.test('what was written and not acknowledged is found again; the half of a line is cut off', async (t) => {
  const directory = own(temporaryDirectory(t));
  const log = fakeLog();
  log.add(30);
  const path = join(directory, 'shipper.jsonl');
  const first = fileSink(settings(directory), origin, Date.now);
  await first.deliver(log.all.slice(0, 20), undefined);
  first.close();
  appendFileSync(path, '{"log":"half of a li');
  const second = fileSink(settings(directory), origin, Date.now);
  // The acknowledgement of 10 to 19 was lost with the process.
  const delivery = await second.deliver(log.all.slice(10, 30), undefined);
  second.close();
  t.match(delivery, { accepted: 20, duplicates: 10 });
  t.strictSame(
    linesOf(path).map(({ position }) => position),
    log.all.map(({ position }) => position),
  );
});

t.test('what was written and not acknowledged is found again in a file that was full', async (t) => {
  const directory = own(temporaryDirectory(t));
  const log = fakeLog();
  log.add(30);
  const full = settings(directory, { rotateSize: 4096 });
  const first = fileSink(full, origin, Date.now);
  await first.deliver(log.all.slice(0, 20), undefined);
  first.close();
  const second = fileSink(full, origin, Date.now);
  t.match(await second.deliver(log.all.slice(10, 30), undefined), { accepted: 20, duplicates: 10 });
  second.close();
  const files = readdirSync(directory).sort();
  t.strictSame(files, ['shipper-000000000000019.jsonl', 'shipper.jsonl']);
  const positions = files.flatMap((file) => linesOf(join(directory, file))).map(({ position }) => position);
  t.strictSame(
    positions,
    log.all.map(({ position }) => position),
  );
});

t.test('a log that was set back is not taken for the one in the file', async (t) => {
  const directory = own(temporaryDirectory(t));
  const [before, after] = [fakeLog(), fakeLog(['cccc'])];
  before.add(20);
  after.add(20);
  const first = fileSink(settings(directory), origin, Date.now);
  await first.deliver(before.all, undefined);
  first.close();
  const second = fileSink(settings(directory), origin, Date.now);
  t.match(await second.deliver(after.all, undefined), { accepted: 20, duplicates: 0 });
  second.close();
  t.equal(linesOf(join(directory, 'shipper.jsonl')).length, 40);
});

t.test('files are rotated by size and by age, and the oldest go', async (t) => {
  const directory = own(temporaryDirectory(t));
  const log = fakeLog();
  log.add(60);
  let now = Date.now();
  const sink = fileSink(settings(directory, { rotateSize: 4096, rotateAge: 60_000 }), origin, () => now);
  for (let at = 0; at < 50; at += 10) await sink.deliver(log.all.slice(at, at + 10), undefined);
  t.strictSame(readdirSync(directory).sort(), [
    'shipper-000000000000029.jsonl',
    'shipper-000000000000039.jsonl',
    'shipper.jsonl',
  ]);
  const small = fileSink(settings(directory, { name: 'small', rotateAge: 60_000 }), origin, () => now);
  await small.deliver(log.all.slice(0, 2), undefined);
  now += 61_000;
  await small.deliver(log.all.slice(2, 4), undefined);
  t.ok(readdirSync(directory).includes('small-000000000000001.jsonl'), 'by age');
  sink.close();
  small.close();
});

t.test('a clock that is set back does not keep a file from being rotated', async (t) => {
  const directory = own(temporaryDirectory(t));
  let now = Date.now();
  const log = fakeLog();
  log.add(10);
  const sink = fileSink(settings(directory, { rotateAge: 60_000 }), origin, () => now);
  t.teardown(() => sink.close());
  await sink.deliver(log.all.slice(0, 5), undefined);
  now -= 365 * 86_400_000;
  await sink.deliver(log.all.slice(5), undefined);
  t.equal(readdirSync(directory).length, 2);
});

t.test('a clock that was set, either way, does not have a new file begun with each batch', async (t) => {
  for (const year of [365 * 86_400_000, -365 * 86_400_000]) {
    const directory = own(temporaryDirectory(t));
    const log = fakeLog();
    log.add(10);
    // The kernel dates files; who writes them goes by the time at which he began.
    const sink = fileSink(settings(directory, { rotateAge: 60_000 }), origin, () => Date.now() + year);
    t.teardown(() => sink.close());
    for (const entry of log.all) await sink.deliver([entry], undefined);
    t.equal(readdirSync(directory).length, 1);
  }
});

t.test('no file takes the place of another, and the newest is not the one to go', async (t) => {
  const directory = own(temporaryDirectory(t));
  const log = fakeLog();
  log.add(10);
  log.sign();
  const checkpoint = log.checkpoint();
  let now = Date.now();
  const sorted = settings(directory, { rotateAge: 60_000 });
  const positions = (): (number | undefined)[] =>
    readdirSync(directory)
      .sort()
      .flatMap((file) => linesOf(join(directory, file)))
      .filter(({ position }) => position !== undefined)
      .map(({ position }) => position);
  const expected = log.all.map(({ position }) => position);
  const sink = fileSink(sorted, origin, () => now);
  await sink.deliver(log.all, undefined);
  // As with a filter that little passes: checkpoints come, and no records.
  for (let i = 0; i < 2; i++) {
    now += 61_000;
    await sink.deliver([], checkpoint);
  }
  sink.close();
  t.strictSame(positions(), expected, 'a file that has checkpoints only is not put over one with records');

  // A log that took the place of another goes on in the file, and knows none of its entries.
  now += 61_000;
  const other = fileSink(sorted, `${origin}/2`, () => now);
  const rotations = readdirSync(directory).length;
  const later = fakeLog();
  later.add(12);
  await other.deliver(later.all.slice(10), undefined);
  other.close();
  t.equal(readdirSync(directory).length, Math.min(rotations + 1, sorted.keep));
  t.ok(
    readdirSync(directory).some((file) =>
      linesOf(join(directory, file)).some(({ position }) => position === 11),
    ),
    'the new one is there',
  );
});

t.test('the file that a log before left is not the first to go', async (t) => {
  const directory = own(temporaryDirectory(t));
  const log = fakeLog();
  log.add(40);
  let now = Date.now();
  const sorted = settings(directory, { rotateAge: 60_000, keep: 3 });
  const before = fileSink(sorted, origin, () => now);
  for (let at = 0; at < 40; at += 10) {
    await before.deliver(log.all.slice(at, at + 10), undefined);
    now += 61_000;
  }
  before.close();
  const after = fileSink(sorted, `${origin}/2`, () => now);
  await after.deliver(log.all.slice(0, 1), undefined);
  after.close();
  const kept = readdirSync(directory)
    .sort()
    .map((file) => linesOf(join(directory, file)).at(-1)?.position);
  t.strictSame(kept, [29, 39, 0], 'the oldest went');
});

t.test('a rotation of files is an event of the log', async (t) => {
  const directory = own(temporaryDirectory(t));
  const log = fakeLog();
  const { uploads, info, notes } = startUploads(t, log, [
    settings(directory, { rotateSize: 4096, keep: 2, batch: 10 }),
  ]);
  log.add(50);
  uploads.hint();
  await until('all is written', () => info('shipper').next === 50);
  const rotations = notes.filter(({ kind }) => kind === 'log');
  t.match(rotations[0], {
    operation: 'rotate',
    object: join(directory, 'shipper-000000000000009.jsonl'),
    detail: { sink: 'shipper', removed: [] },
  });
  const removed = rotations.flatMap(({ detail }) => detail?.['removed'] as readonly string[]);
  const named = rotations.map(({ object }) => basename(object));
  t.strictSame(
    named.filter((file) => !removed.includes(file)),
    readdirSync(directory).filter((file) => file !== 'shipper.jsonl'),
    'what is there is what was rotated and did not go',
  );
});

t.test('a place where others could have root write elsewhere is refused', async (t) => {
  const directory = own(temporaryDirectory(t));
  const log = fakeLog();
  log.add(3);
  const sink = fileSink(settings(directory), origin, Date.now);
  chmodSync(directory, 0o777);
  t.match(await sink.deliver(log.all, undefined), { accepted: 0, error: { message: /others may write/ } });
  chmodSync(directory, 0o755);
  const victim = join(temporaryDirectory(t), 'victim');
  writeFileSync(victim, '');
  symlinkSync(victim, join(directory, 'shipper.jsonl'));
  t.match(await sink.deliver(log.all, undefined), {
    accepted: 0,
    error: { facts: { fix: /symbolic link/ } },
  });
  t.equal(readFileSync(victim, 'utf8'), '');
  const gone = fileSink(settings(join(directory, 'gone')), origin, Date.now);
  t.match(await gone.deliver(log.all, undefined), { accepted: 0, error: { facts: { fix: /mkdir/ } } });
});
