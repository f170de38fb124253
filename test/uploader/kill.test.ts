// The uploader is killed at random points, by seed; so is nats-server. The log's cursor is all that is left each time.
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { fakeLog, origin } from '../support/fake-log.ts';
import { noNats, startNats } from '../support/nats-server.ts';
import { startReceiver } from '../support/otlp/receiver.ts';
import { randomFrom, seed } from '../support/seed.ts';
import { killsOf, timeFor } from '../support/size.ts';
import { until } from '../support/until.ts';
import { nats, otlp, startUploads } from '../support/uploads.ts';

const kills = killsOf({ usual: 20, full: 200 });

/** One of the processes, or all of them. */
const chosen = (pids: ReadonlyMap<string, number>, chance: number): readonly number[] => {
  const all = [...pids.values()];
  return chance < 0.3 ? all : all.filter((_, i) => i === Math.floor(chance * 97) % all.length);
};

t.test(
  `uploader and nats-server are killed at ${kills} random points, seed ${seed}`,
  { skip: noNats(), timeout: timeFor(kills) },
  async (t) => {
    const random = randomFrom(seed);
    const receiver = await startReceiver(t);
    const server = await startNats(t);
    const log = fakeLog();
    const { uploads, info, notes, printed } = startUploads(t, log, [
      otlp(receiver.url, { batch: 16 }),
      nats(server.port, { batch: 64, window: 16 }),
    ]);
    for (let i = 0; i < kills; i++) {
      const added = log.all.length;
      log.add(100);
      uploads.hint();
      // Somewhere in the middle of what was just added, or while the process is still starting.
      const point = added + Math.floor(random() * 100);
      const watched = random() < 0.5 ? 'siem' : 'fleet';
      if (random() < 0.8)
        await until('the point is reached', () => info(watched).next >= point, {
          every: 1,
          within: 60_000,
          evidence: () => JSON.stringify(uploads.infos()) + printed(),
        });
      else await pause(Math.floor(random() * 400));
      if (random() < 0.3) {
        await server.crash();
        await server.start();
      } else for (const pid of chosen(uploads.pids, random())) process.kill(pid, 'SIGKILL');
    }
    const all = log.all.length;
    const done = (): boolean => info('siem').next === all && info('fleet').next === all;
    await until('all is acknowledged', done, {
      within: 120_000,
      evidence: () => JSON.stringify(uploads.infos()) + printed(),
    });

    t.strictSame(
      receiver.unique().map(({ attributes }) => attributes['log.record.original']),
      log.all.map(({ text }) => text.toString()),
      'OTLP: every record, first arrivals in order, to the byte',
    );
    t.strictSame(receiver.malformed, []);
    const stored = await server.stored();
    t.strictSame(
      stored.map(({ id, text }) => [id, text]),
      log.all.map(({ uid, text }) => [`${origin}:${uid}`, text.toString()]),
      'JetStream: every record once, in order, to the byte',
    );
    t.ok(
      notes.some(({ operation }) => operation === 'uploader-ended'),
      'the deaths are on record',
    );
  },
);
