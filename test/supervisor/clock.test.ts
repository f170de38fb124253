// Clocks that somebody sets, forwards or back, change what records say the time is, and nothing else.
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Closures } from '../../daemon/control/closures.ts';
import type { Decider, NewRecord } from '../../daemon/model/mod.ts';
import { EgressLink } from '../../daemon/supervisor/pins.ts';
import { ReadAudit, type ReadAuditOptions } from '../../daemon/supervisor/read-audit.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const day = 86_400_000;

/** What the kernel reports, and what can be learned of it: a stand-in, since the real one needs a watched mount. */
function readAudit(clock: { wall: number; elapsed: number }, opens: string[]): ReadAudit {
  const group = {
    read: () => ({
      events: opens.splice(0).map((name) => ({ pid: 2, name, directory: 'handle', fsid: 'f' })),
      lost: 0,
    }),
    openDirectory: () => 9,
  };
  const files = { pathOf: () => '/work', close: () => undefined };
  return new ReadAudit({
    group,
    files,
    reader: { brief: () => ({ pid: 2, exe: '/bin/cat' }) },
    mounts: new Map([['f', 9]]),
    ownPid: 1,
    now: () => clock.wall,
    elapsed: () => clock.elapsed,
  } as unknown as ReadAuditOptions);
}

t.test('reads are written every second though the clock was put back by a day', async (t) => {
  const written: NewRecord[] = [];
  const journal = { appendAll: (records: readonly NewRecord[]) => void written.push(...records) };
  const allowed = { effect: 'allow', reason: '', rule: { id: 'r', source: { file: '', line: 0 } } };
  const decider = { file: () => allowed } as unknown as Decider;
  const clock = { wall: 1000 * day, elapsed: 0 };
  const opens: string[] = [];
  const audit = readAudit(clock, opens);
  for (const jump of [0, -day, 30 * day]) {
    clock.wall += jump;
    opens.push(`file${jump}`);
    audit.drain(journal, decider);
    clock.elapsed += 1000;
    audit.drain(journal, decider);
    t.match(
      written.splice(0),
      [{ object: `/work/file${jump}`, count: 1 }],
      `after a jump of ${jump / day} days`,
    );
  }
});

t.test('a read of what is on record is counted on, and told within ten seconds and at the end', async (t) => {
  const written: NewRecord[] = [];
  const journal = { appendAll: (records: readonly NewRecord[]) => void written.push(...records) };
  const allowed = { effect: 'allow', reason: '', rule: { id: 'r', source: { file: '', line: 0 } } };
  const decider = { file: () => allowed } as unknown as Decider;
  const clock = { wall: 0, elapsed: 0 };
  const opens: string[] = [];
  const audit = readAudit(clock, opens);
  for (let second = 0; second < 25; second++) {
    opens.push('again', 'again', ...(second === 12 ? ['late'] : []));
    [clock.elapsed, clock.wall] = [clock.elapsed + 1000, clock.wall + 1000];
    audit.drain(journal, decider);
  }
  audit.drain(journal, decider, true);
  const again = written.filter(({ object }) => object === '/work/again');
  t.same(
    again.map(({ count }) => count),
    [2, 18, 20, 10],
  );
  t.match(again[1], { detail: { first: 2000, last: 10_000 } });
  t.match(
    written.filter(({ object }) => object === '/work/late'),
    [{ count: 1, detail: { first: 13_000 } }],
  );
});

t.test('offences are counted and told though the clock was put back', async (t) => {
  const told: NewRecord[] = [];
  const clock = { elapsed: 0 };
  const closures = new Closures(
    (record) => void told.push(record),
    () => clock.elapsed,
  );
  const reason = { why: 'protocol', detail: 'a test' } as const;
  closures.report('admin', undefined, reason);
  closures.report('admin', undefined, reason);
  clock.elapsed += 1000;
  closures.report('admin', undefined, reason);
  t.same(
    told.map(({ count }) => count),
    [1, 2],
  );
});

t.test('pins of names end with their time to live, and make room for new ones', async (t) => {
  const fifo = join(temporaryDirectory(t), 'link');
  t.equal(spawnSync('mkfifo', [fifo]).status, 0);
  const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  t.teardown(() => closeSync(fd));
  const clock = { elapsed: 0 };
  const link = new EgressLink(fd, () => clock.elapsed);
  const pin = (address: string): void => {
    writeSync(fd, `${JSON.stringify({ t: 'pin', host: `${address}.example`, addrs: [address], ttl: 1 })}\n`);
  };
  const many = 65_536;
  for (let n = 0; n < many; n++) {
    pin(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    if (n % 256 === 255) link.namesOf('none');
  }
  t.same(link.namesOf('10.0.255.255'), ['10.0.255.255.example'], 'the last that there is room for');
  pin('192.0.2.1');
  t.same(link.namesOf('192.0.2.1'), [], 'no room for another while all of them hold');
  clock.elapsed += 120_000;
  t.same(link.namesOf('10.0.0.1'), [], 'a pin that is over is none');
  pin('192.0.2.1');
  t.same(link.namesOf('192.0.2.1'), ['192.0.2.1.example'], 'and its place is taken');
});

t.test('an address has as many names as are worth looking through: the oldest goes', async (t) => {
  const fifo = join(temporaryDirectory(t), 'link');
  t.equal(spawnSync('mkfifo', [fifo]).status, 0);
  const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  t.teardown(() => closeSync(fd));
  const link = new EgressLink(fd, () => 0);
  for (let n = 0; n < 1000; n++) {
    writeSync(fd, `${JSON.stringify({ t: 'pin', host: `h${n}.example`, addrs: ['192.0.2.1'], ttl: 1 })}\n`);
    if (n % 100 === 99) link.namesOf('none');
  }
  const names = link.namesOf('192.0.2.1');
  t.equal(names.length, 256);
  t.same([names[0], names.at(-1)], ['h999.example', 'h744.example']);
});
