// cordond and the uploader are killed at random points while a session journals: what is at the sinks in the end is
// what is in the spool.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import type { SinkInfo } from '../../daemon/wire/mod.ts';
import { startDaemon } from '../support/daemon.ts';
import { startReceiver } from '../support/otlp/receiver.ts';
import { randomFrom, seed } from '../support/seed.ts';
import { killsOf, timeFor } from '../support/size.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: cordond does';
const deaths = killsOf({ usual: 6, full: 200 });

const title = `cordond dies at ${deaths} random points, seed ${seed}: sinks and spool agree`;
t.test(title, { skip, timeout: timeFor(deaths) }, async (t) => {
  const random = randomFrom(seed);
  const receiver = await startReceiver(t);
  const own = temporaryDirectory(t);
  const records = join(own, 'records');
  mkdirSync(records, { mode: 0o750 });
  const settings = join(own, 'config.yaml');
  writeFileSync(
    settings,
    `records: { sinks: { siem: { otlp: "${receiver.url}", batch: 32 }, disk: { directory: ${records}, batch: 32, rotate-size: 64KiB, keep: 1000 } } }\n`,
  );
  const daemon = await startDaemon(t, undefined, undefined, settings);
  const session = await daemon.run({ FAKE_RECORDS: '200', FAKE_EVERY: '20' });
  for (let i = 0; i < deaths; i++) {
    await pause(Math.floor(random() * 1000));
    await daemon.crash();
    await daemon.start();
  }
  const sinks = async (): Promise<readonly SinkInfo[]> => {
    const connection = await daemon.connect();
    const answer = await connection.askFor('sinks', {}, 'sinksAnswer');
    connection.close();
    return answer.sinks;
  };
  const connection = await daemon.connect();
  await connection.ask('control', { verb: 'kill', session }, { deadline: 120_000 });
  connection.close();
  await until('the session has ended', async () => (await daemon.session(session)).ended > 0);
  await until('nothing lags', async () => (await sinks()).every(({ lag }) => lag === 0), {
    within: 90_000,
    every: 100,
  });

  const texts = receiver.unique().map(({ attributes }) => String(attributes['log.record.original']));
  const positions = receiver.unique().map(({ attributes }) => Number(attributes['cordon.log.position']));
  t.strictSame(
    positions,
    positions.map((_, i) => i),
    `OTLP has all ${positions.length}, in order, without a hole`,
  );
  t.ok(positions.length > 200 + deaths, 'which is more than the journal began with');
  const lines = readdirSync(records)
    .sort((a, b) => (a === 'disk.jsonl' ? 1 : b === 'disk.jsonl' ? -1 : a.localeCompare(b)))
    .flatMap((file) => readFileSync(join(records, file), 'utf8').split('\n').slice(0, -1))
    .filter((line) => line.includes('"event":'));
  t.strictSame(
    lines.map((line) => line.slice(line.indexOf('"event":') + 8, -1)),
    texts,
    'the files have the same, each once, to the byte',
  );
});
