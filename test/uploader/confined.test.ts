// The uploader as a process: what it can do, what it cannot, and how much it holds.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode, encode } from 'dns-packet';
import t from 'tap';
import { Uploads } from '../../daemon/control/uploads.ts';
import { sockets } from '../../native-bindings/linux/mod.ts';
import { fakeLog, type FakeLog } from '../support/fake-log.ts';
import { startReceiver } from '../support/otlp/receiver.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { otlp, startUploads } from '../support/uploads.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root to start a process as another user';
const script = fileURLToPath(new URL('../../daemon/control/uploader-main.ts', import.meta.url));

t.test(
  'the uploader is nobody, under Landlock and seccomp, and has no file but its link',
  { skip },
  async (t) => {
    const receiver = await startReceiver(t);
    const log = fakeLog();
    log.add(10);
    const { uploads, info } = startUploads(t, log, [otlp(receiver.url)]);
    await until('it works', () => info('siem').next === 10);
    const of = (file: string): string => readFileSync(`/proc/${uploads.pids.get('siem')}/${file}`, 'utf8');
    const status = of('status');
    for (const line of [
      /^Uid:(\t65534){4}$/m,
      /^Gid:(\t65534){4}$/m,
      /^Groups:\s*$/m,
      /^NoNewPrivs:\t1$/m,
      /^Seccomp:\t2$/m,
    ])
      t.match(status, line);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
      t.match(status, new RegExp(`^${set}:\t0+$`, 'm'));
    const open = readdirSync(`/proc/${uploads.pids.get('siem')}/fd`).map((fd) =>
      readlinkSync(`/proc/${uploads.pids.get('siem')}/fd/${fd}`),
    );
    const files = open.filter(
      (target) => target.startsWith('/') && target !== '/dev/null' && !target.endsWith('uploader.log'),
    );
    t.strictSame(files, [], `of ${open.length} descriptors none is a file`);
  },
);

t.test('names are looked up at the resolvers of the settings, without any file', { skip }, async (t) => {
  const asked: string[] = [];
  const resolver = createSocket('udp4').bind(0, '127.0.0.1');
  await once(resolver, 'listening');
  t.teardown(() => resolver.close());
  resolver.on('message', (bytes, from) => {
    const query = decode(bytes);
    const [question] = query.questions ?? [];
    asked.push(`${question?.name} ${question?.type}`);
    const answers =
      question?.type === 'A' ? [{ type: 'A' as const, name: question.name, ttl: 1, data: '127.0.0.1' }] : [];
    const answer = { ...query, type: 'response' as const, flags: 0x180, answers, additionals: [] };
    resolver.send(encode(answer), from.port, from.address);
  });
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(3);
  const uploads = new Uploads({
    sinks: [
      otlp(`http://collector.test:${receiver.port}/v1/logs`),
      otlp(`http://wiki.test:${receiver.port}/v1/logs`, { name: 'host' }),
    ],
    log,
    script,
    logFile: join(temporaryDirectory(t), 'uploader.log'),
    version: '1',
    upstream: [`127.0.0.1:${resolver.address().port}`],
    hosts: { 'wiki.test': ['127.0.0.1'] },
    now: Date.now,
    note: () => undefined,
    power: () => ({ onBattery: false, percent: 100 }),
  });
  uploads.start();
  t.teardown(() => uploads.stop());
  await until('both sinks have all', () => uploads.infos().every(({ next }) => next === 3));
  t.ok(asked.includes('collector.test A'), asked.join(', '));
  t.notOk(
    asked.some((name) => name.startsWith('wiki.test')),
    'the host table goes before',
  );
});

t.test('over a dead sink the uploader does not grow, however much waits', { skip }, async (t) => {
  const receiver = await startReceiver(t);
  const dead = await startReceiver(t);
  dead.misbehave(() => true);
  const log = fakeLog();
  log.add(100, { padding: 4000 });
  const { uploads, info } = startUploads(t, log, [
    otlp(dead.url, { name: 'dead', timeout: 600_000 }),
    otlp(receiver.url, { batch: 512 }),
  ]);
  const resident = (): number =>
    Number(
      /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${uploads.pids.get('siem')}/status`, 'utf8'))?.[1],
    );
  const fill = async (count: number): Promise<void> => {
    log.add(count, { padding: 4000 });
    uploads.hint();
    await until('the living sink has all', () => info('siem').next === log.all.length, { within: 120_000 });
  };
  await fill(3000);
  const before = resident();
  await fill(9000);
  const grown = resident() - before;
  t.equal(info('dead').next, 0);
  t.ok(log.all.length * 4000 > 48_000_000, 'more than 48 MB wait for the dead sink');
  t.ok(grown < 32_000, `the process grew by ${grown} kB, from ${before} kB`);
});

t.test('an uploader that is not what we started is cut off', { skip }, async (t) => {
  for (const [what, words] of breaches) {
    const { uploads, notes, log } = withImpostor(t, what);
    uploads.start();
    await until(`${what}: the breach is on record`, () =>
      notes.some(({ operation }) => operation === 'uploader-breach'),
    );
    t.match(notes.find(({ operation }) => operation === 'uploader-breach')?.reason, words, what);
    t.equal(log.cursor('siem'), 0, 'and no cursor moved');
    uploads.stop();
  }
});

/** What the impostor says, and what is said about it. */
const breaches: readonly (readonly [string, RegExp])[] = [
  ['acknowledge', /acknowledged 1000, and was given 0 to 0/],
  ['elsewhere', /there is no sink other/],
  ['ahead', /asked from 5, and has acknowledged up to 0/],
  ['long name', /over the 1048576 allowed/],
  ['admin', /status is not for this socket/],
  ['garbage', /frame|malformed/],
];

function withImpostor(t: import('tap').Test, what: string) {
  const notes: { operation: string; reason: string }[] = [];
  const log: FakeLog = fakeLog();
  log.add(10);
  const impostor = fileURLToPath(new URL('../support/impostor.ts', import.meta.url));
  const uploads = new Uploads({
    sinks: [otlp('http://127.0.0.1:1/', { token: Buffer.from(what) })],
    log,
    script: impostor,
    logFile: join(temporaryDirectory(t), 'uploader.log'),
    version: what,
    upstream: [],
    hosts: {},
    now: Date.now,
    note: (record) => void notes.push(record),
    power: () => ({ onBattery: false, percent: 100 }),
  });
  t.teardown(() => uploads.stop());
  return { uploads, notes, log };
}

t.test('started by anybody else it says so and ends', { skip }, async (t) => {
  const alone = spawn(process.execPath, [script], { stdio: ['ignore', 'ignore', 'pipe'], env: {} });
  let said = '';
  alone.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(alone, 'exit')) as [number];
  t.equal(code, 70);
  t.match(said, /only cordond starts this process/);
  const [ours, theirs] = sockets.socketPair(sockets.SOCK.STREAM | sockets.SOCK.CLOEXEC);
  const root = spawn(process.execPath, [script], { stdio: ['ignore', 'ignore', 'pipe', theirs], env: {} });
  said = '';
  root.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [status] = (await once(root, 'exit')) as [number];
  t.equal(status, 70, 'as root it does not run');
  t.match(said, /runs as root/);
  t.ok(ours > 0);
});
