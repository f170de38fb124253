// How fast records leave: the uploader process (dist/) fed by cordond's half over a log in memory, to an OTLP receiver, to
// nats-server and into a file, one after the other; beside each the floor of the same run: the same bytes posted,
// published and written by nothing but a loop. cordond's half takes a fifth of its thread by design, so that shipping
// slows nothing else. Run:
//   npm run build && bash daemon/scripts/node24.sh test/bench/upload.ts [records]
import { once } from 'node:events';
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { jetstream } from '@nats-io/jetstream';
import type { Test } from 'tap';
import { Uploads } from '../../daemon/control/uploads.ts';
import type { SinkSettings } from '../../daemon/model/mod.ts';
import { encodeLogs } from '../../daemon/uploader/otlp/encode.ts';
import { poster } from '../../daemon/uploader/post.ts';
import { fakeLog, origin } from '../support/fake-log.ts';
import { noNats, startNats } from '../support/nats-server.ts';
import { until } from '../support/until.ts';

const count = Number(process.argv[2] ?? 20_000);
const batch = 512;
const window = 128;
const directory = mkdtempSync(join(tmpdir(), 'cordon-bench-'));
const ends: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
/** What the parts of tests need of one. */
const t = { teardown: (end: () => unknown) => void ends.unshift(end) } as unknown as Test;
const common = { filter: {}, batch, bandwidth: 0, battery: 0, tls: {}, timeout: 30_000 };

const log = fakeLog();
// Events have 1.2 to 1.6 KB.
log.add(count, { padding: 1000 });

interface Figure {
  readonly rate: number;
  readonly text: string;
}

async function measured(work: () => Promise<unknown>): Promise<Figure> {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const rate = count / ((performance.now() - began) / 1000);
  const { user, system } = process.cpuUsage(cpu);
  const each = ((user + system) / count).toFixed(1);
  return {
    rate,
    text: `${Math.round(rate).toLocaleString('en')} records/s, ${each} µs of this process each`,
  };
}

/** All of the log to this sink, from the start of the uploader on. */
function shipped(settings: SinkSettings): Promise<Figure> {
  const uploads = new Uploads({
    sinks: [settings],
    log,
    script: fileURLToPath(new URL('../../dist/uploader.js', import.meta.url)),
    logFile: join(directory, 'uploader.log'),
    version: 'bench',
    upstream: [],
    hosts: {},
    now: Date.now,
    note: () => undefined,
    power: () => ({ onBattery: false, percent: 100 }),
  });
  uploads.start();
  const done = (): boolean => uploads.infos().every(({ next }) => next === count);
  const evidence = (): string => JSON.stringify(uploads.infos());
  return measured(() => until('all is shipped', done, { within: 300_000, every: 5, evidence })).finally(() =>
    uploads.stop(),
  );
}

function tell(name: string, floor: Figure, ours: Figure): void {
  console.log(`${name}: ${ours.text}`);
  console.log(`  floor: ${floor.text}; ${((100 * ours.rate) / floor.rate).toFixed(0)}% of it`);
}

async function otlp(): Promise<void> {
  const server = createServer((request, response) => {
    request
      .resume()
      .on('end', () => response.writeHead(200, { 'Content-Type': 'application/x-protobuf' }).end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.unshift(() => (server.closeAllConnections(), server.close()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/logs`;
  const bodies: Buffer[] = [];
  for (let at = 0; at < count; at += batch)
    bodies.push(
      gzipSync(encodeLogs({ origin, version: 'bench' }, log.all.slice(at, at + batch), undefined, 1)),
    );
  const bare = poster({
    url,
    tls: {},
    timeout: 30_000,
    lookup: (_, __, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
  });
  const floor = await measured(async () => {
    for (const body of bodies) await bare.post({}, body);
  });
  bare.close();
  tell('OTLP/HTTP', floor, await shipped({ kind: 'otlp', name: 'otlp', url, headers: {}, ...common }));
}

async function nats(): Promise<void> {
  const missing = noNats();
  if (missing !== false) {
    console.log(`NATS: ${missing}`);
    return;
  }
  const server = await startNats(t);
  await server.addStream({ name: 'FLOOR', subjects: ['floor'] });
  const connection = await server.connect();
  const publisher = jetstream(connection);
  const floor = await measured(async () => {
    const waiting = new Set<Promise<unknown>>();
    for (const { text, uid } of log.all) {
      const one: Promise<unknown> = publisher
        .publish('floor', text, { msgID: uid })
        .then(() => waiting.delete(one));
      waiting.add(one);
      if (waiting.size >= window) await Promise.race(waiting);
    }
    await Promise.all(waiting);
  });
  await connection.close();
  const servers = [`nats://127.0.0.1:${server.port}`];
  const settings = { stream: 'AUDIT', subject: 'cordon.records', create: true, window, servers };
  tell('NATS JetStream', floor, await shipped({ kind: 'nats', name: 'nats', ...settings, ...common }));
}

async function files(): Promise<void> {
  const floor = await measured(async () => {
    const file = openSync(join(directory, 'floor'), 'w');
    for (let at = 0; at < count; at += batch) {
      writeSync(file, Buffer.concat(log.all.slice(at, at + batch).map(({ text }) => text)));
      fsyncSync(file);
    }
    closeSync(file);
  });
  const place = join(directory, 'records');
  mkdirSync(place, { mode: 0o700 });
  const rotation = { rotateSize: 64 * 1024 * 1024, rotateAge: 86_400_000, keep: 10 };
  tell(
    'files',
    floor,
    await shipped({ kind: 'file', name: 'file', directory: place, ...rotation, ...common }),
  );
}

console.log(`${count.toLocaleString('en')} records, batches of ${batch}`);
try {
  await otlp();
  await nats();
  await files();
} finally {
  for (const end of ends) await end();
}
