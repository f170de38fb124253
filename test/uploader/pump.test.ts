// The loop of one sink on a clock of the test's own.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { backoff } from '../../daemon/uploader/backoff.ts';
import { SinkError } from '../../daemon/uploader/entry.ts';
import type {
  Acknowledgement,
  Delivery,
  Entry,
  Sink,
  SinkReport,
  Source,
  Witness,
} from '../../daemon/uploader/entry.ts';
import { offer } from '../../daemon/uploader/offer.ts';
import { retryAfter } from '../../daemon/uploader/post.ts';
import { readResponse } from '../../daemon/uploader/otlp/answer.ts';
import { poster } from '../../daemon/uploader/post.ts';
import { startPump } from '../../daemon/uploader/pump.ts';
import type { Power, Pump } from '../../daemon/uploader/pump.ts';
import { witness } from '../../daemon/uploader/witness.ts';
import { fakeLog, type FakeLog } from '../support/fake-log.ts';
import { until } from '../support/until.ts';

/** Time that passes only when somebody sleeps. */
function ownTime() {
  let elapsed = 0;
  const slept: number[] = [];
  return {
    slept,
    now: () => 1_700_000_000_000 + elapsed,
    elapsed: () => elapsed,
    random: () => 0.5,
    sleep: async (milliseconds: number, signal: AbortSignal) => {
      slept.push(milliseconds);
      elapsed += milliseconds;
      if (!signal.aborted) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

interface Scene {
  readonly log: FakeLog;
  readonly got: string[];
  readonly reports: SinkReport[];
  readonly acknowledged: Acknowledgement[];
  readonly time: ReturnType<typeof ownTime>;
  readonly pump: Pump;
  readonly next: () => number;
}

function scene(
  log: FakeLog,
  deliver: (entries: readonly Entry[]) => Delivery,
  more: { bandwidth?: number; battery?: number; batch?: number; power?: () => Power; witness?: Witness } = {},
): Scene {
  const time = ownTime();
  const got: string[] = [];
  const reports: SinkReport[] = [];
  const acknowledged: Acknowledgement[] = [];
  let next = 0;
  const source: Source = {
    next: async (from, limit, checkpoint) => offer(log, {}, { from, limit, checkpoint }),
    acknowledge: async (acknowledgement) => {
      next = acknowledgement.through;
      acknowledged.push(acknowledgement);
    },
    proof: async (from, to) => log.consistency(from, to),
    report: (report) => void reports.push(report),
  };
  const sink: Sink = {
    deliver: async (entries) => {
      const delivery = deliver(entries);
      got.push(...entries.slice(0, delivery.accepted).map(({ uid }) => uid));
      return delivery;
    },
    close: () => undefined,
  };
  const { bandwidth = 0, battery = 0, batch = 10, power = () => ({ onBattery: false, percent: 100 }) } = more;
  const pump = startPump({
    settings: { batch, bandwidth, battery },
    source,
    sink,
    ...(more.witness === undefined ? {} : { witness: more.witness }),
    time,
    power,
    next: 0,
  });
  return { log, got, reports, acknowledged, time, pump, next: () => next };
}

t.test('however a sink stumbles, it gets every record once and in order', async () => {
  const step = fc.record({ accept: fc.integer({ min: 0, max: 10 }), fails: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 80 }),
      async (steps, count) => {
        const log = fakeLog();
        log.add(count);
        const left = [...steps];
        const { got, next, pump, acknowledged } = scene(log, (entries) => {
          const { accept, fails } = left.shift() ?? { accept: entries.length, fails: false };
          return fails
            ? { accepted: Math.min(accept, entries.length), bytes: 1, error: new SinkError('no') }
            : { accepted: entries.length, bytes: 1 };
        });
        await until('all is acknowledged', () => next() === count, { every: 1 });
        pump.stop();
        const cursors = acknowledged.map(({ through }) => through);
        return (
          JSON.stringify(got) === JSON.stringify(log.all.map(({ uid }) => uid)) &&
          cursors.every((cursor, i) => i === 0 || cursor >= cursors[i - 1]!)
        );
      },
    ),
    { numRuns: 60 },
  );
});

t.test(
  'the wait doubles up to five minutes, is half chance, and honours what the sink asked for',
  async (t) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, random) => {
          const wait = backoff(failures, 0, random);
          const full = Math.min(300_000, 500 * 2 ** (failures - 1));
          return wait >= full / 2 && wait <= full;
        },
      ),
    );
    t.equal(backoff(1, 10_000, 0), 10_000);
    t.equal(backoff(1, 1e12, 0), 3_600_000, 'but not for ever');
  },
);

t.test('Retry-After: seconds, a date, or nothing that is understood', async (t) => {
  const now = Date.UTC(2026, 0, 1);
  t.equal(retryAfter('120', now), 120_000);
  t.equal(retryAfter('Thu, 01 Jan 2026 00:01:00 GMT', now), 60_000);
  t.equal(retryAfter('soon', now), undefined);
  t.equal(retryAfter(undefined, now), undefined);
});

t.test('bandwidth: no more than so many bytes a second in the long run', async (t) => {
  const log = fakeLog();
  log.add(100);
  const { next, time, pump } = scene(log, ({ length }) => ({ accepted: length, bytes: 1000 }), {
    bandwidth: 2000,
  });
  await until('all is acknowledged', () => next() === 100, { every: 1 });
  pump.stop();
  const waited = time.slept.filter((ms) => ms < 10_000).reduce((sum, ms) => sum + ms, 0);
  t.equal(waited, 4500, '10 batches of 1000 bytes at 2000 a second; the first needs no wait');
});

t.test('on battery below the limit nothing is sent, and shipping goes on when power is back', async (t) => {
  const log = fakeLog();
  log.add(20);
  let power: Power = { onBattery: true, percent: 19 };
  const { next, got, reports, pump } = scene(log, ({ length }) => ({ accepted: length, bytes: 1 }), {
    battery: 20,
    power: () => power,
  });
  await until('it is paused', () => reports.at(-1)?.state === 'paused', { every: 1 });
  t.equal(got.length, 0);
  power = { onBattery: false, percent: 19 };
  pump.hint();
  await until('all is acknowledged', () => next() === 20, { every: 1 });
  pump.stop();
});

t.test('a reader of OTLP answers takes any bytes', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const read = readResponse(bytes);
      return read === undefined || (Number.isInteger(read.rejected) && read.message.length <= 300);
    }),
  );
});

t.test(
  'a witness: proof from the size it has, its signatures are kept, its failures hold nothing up',
  async (t) => {
    const bodies: string[] = [];
    const line = '\u2014 witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJb\n';
    let has = 7;
    let down = true;
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => {
        bodies.push(body);
        if (down) return void response.writeHead(503).end();
        if (!body.startsWith(`old ${has}\n`))
          return void response.writeHead(409, { 'Content-Type': 'text/x.tlog.size' }).end(`${has}\n`);
        has = Number(body.split('\n\n')[1]?.split('\n')[1]);
        return void response.writeHead(200).end(line);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    t.teardown(() => server.close());
    const post = poster({
      url: `http://127.0.0.1:${port}/add-checkpoint`,
      tls: {},
      timeout: 5000,
      lookup: (_, __, callback) => callback(null, '127.0.0.1', 4),
    });
    t.teardown(() => post.close());
    const log = fakeLog();
    log.add(20);
    log.sign();
    const { next, acknowledged, reports, pump } = scene(
      log,
      ({ length }) => ({ accepted: length, bytes: 1 }),
      {
        witness: witness({ url: '', key: '' }, post, Date.now),
      },
    );
    await until('it is said', () => reports.some(({ warning }) => /witness: it answered 503/.test(warning)));
    t.equal(next(), 20, 'the records are delivered all the same');
    down = false;
    const cosigned = await until('it is cosigned', () =>
      acknowledged.find((one) => one.cosigned !== undefined),
    );
    pump.stop();
    t.strictSame(cosigned.cosigned, { size: 20, signatures: line });
    t.match(
      bodies.at(-1),
      new RegExp(`^old 7\n[A-Za-z0-9+/=]{44}\n\n${log.checkpoint()!.note.split('\n')[0]}\n20\n`),
    );
  },
);
