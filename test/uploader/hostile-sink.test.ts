// Collectors that misbehave. Nothing is lost, nothing is acknowledged that was not, and what is wrong is said.
import type { ServerResponse } from 'node:http';
import t from 'tap';
import { fakeLog } from '../support/fake-log.ts';
import { encodeResponse } from '../support/otlp/decode.ts';
import { startReceiver } from '../support/otlp/receiver.ts';
import type { Misbehaviour } from '../support/otlp/receiver.ts';
import { until } from '../support/until.ts';
import { otlp, startUploads } from '../support/uploads.ts';

const ids = (log: ReturnType<typeof fakeLog>): string[] => log.all.map(({ uid }) => uid);
const protobuf = { 'Content-Type': 'application/x-protobuf' };
const answer = (response: ServerResponse, status: number, body: string | Uint8Array, headers = {}): true => {
  response.writeHead(status, headers).end(body);
  return true;
};

const silent = 'says nothing at all';
/** Name, what it does, and what `cordon audit sinks` says meanwhile. */
const wrong: readonly [string, Misbehaviour, RegExp, RegExp][] = [
  [
    'refuses the token',
    (_, r) => answer(r, 401, 'no', { 'Content-Type': 'text/plain' }),
    /401: no/,
    /token-file/,
  ],
  ['says 403', (_, r) => answer(r, 403, ''), /403/, /let this host write/],
  ['is another address', (_, r) => answer(r, 404, ''), /404/, /v1\/logs/],
  ['redirects', (_, r) => answer(r, 307, '', { Location: 'http://127.0.0.1:1/' }), /307/, /redirect/],
  [
    'answers garbage',
    (_, r) => answer(r, 200, Buffer.from('ffffffffff', 'hex'), protobuf),
    /could not be read/,
    /OTLP/,
  ],
  [
    'is a portal that says 200 to everything',
    (_, r) => answer(r, 200, '<html>', { 'Content-Type': 'text/html' }),
    /no OTLP/,
    /portal/,
  ],
  [
    'is a portal without words',
    (_, r) => answer(r, 200, '', { 'Content-Type': 'text/html' }),
    /no OTLP/,
    /portal/,
  ],
  [
    'claims more refused than sent',
    (_, r) => answer(r, 200, encodeResponse(1e9, 'x'), protobuf),
    /read/,
    /OTLP/,
  ],
  ['answers without end', (_, r) => answer(r, 200, Buffer.alloc(1e6), protobuf), /longer than/, /^$/],
  ['closes at once', (_, r) => (r.destroy(), true), /hang up|ECONNRESET/, /^$/],
  [
    'closes after half a batch',
    (request, r, keep) => {
      keep(Math.floor(request.records.length / 2));
      r.writeHead(200, { ...protobuf, 'Content-Length': 100 }).write(Buffer.alloc(10));
      setImmediate(() => r.destroy());
      return true;
    },
    /broke off|aborted|ECONNRESET/,
    /^$/,
  ],
  [silent, () => true, /no answer within 1000 ms/, /^$/],
];

t.test(
  'whatever a sink does wrong: nothing is acknowledged, and nothing is lost once it behaves',
  async (t) => {
    const log = fakeLog();
    log.add(100);
    const receivers = await Promise.all(wrong.map(() => startReceiver(t)));
    const nameOf = (i: number): string => `sink-${i}`;
    // Only silence is to run into a deadline, however busy the machine is.
    const timeoutOf = (i: number): number => (wrong[i]?.[0] === silent ? 1000 : 120_000);
    const sinks = receivers.map(({ url }, i) => otlp(url, { name: nameOf(i), timeout: timeoutOf(i) }));
    wrong.forEach(([, how], i) => receivers[i]?.misbehave(how));
    const { info, notes } = startUploads(t, log, sinks);
    for (const [i, [name, , error, fix]] of wrong.entries()) {
      await until('it is said what is wrong', () => info(nameOf(i)).error !== '');
      t.match(info(nameOf(i)), { next: 0, acknowledged: 0, error, fix }, `a sink that ${name}`);
      receivers[i]?.misbehave(undefined);
    }
    for (const [i, [name]] of wrong.entries()) {
      await until('it catches up', () => info(nameOf(i)).next === 100, { within: 120_000 });
      t.strictSame(
        receivers[i]?.unique().map(({ attributes }) => attributes['event.id']),
        ids(log),
        `a sink that ${name}: count in is count at the sink, by id`,
      );
    }
    const of = (operation: string) => notes.filter((note) => note.operation === operation).length;
    await until('it is on record', () => of('upload-resumed') === wrong.length);
    t.equal(of('upload-failing'), wrong.length, 'once for each, not for each attempt');
  },
);

t.test('429 and 503 with Retry-After: not before the sink said', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(10);
  const { info } = startUploads(t, log, [otlp(receiver.url)]);
  const asked = Date.now();
  receiver.misbehave((_, response) => answer(response, 429, '', { 'Retry-After': '3600' }));
  await until('it waits', () => info('siem').state === 'waiting');
  const wait = info('siem').nextTry - asked;
  t.ok(wait >= 3_590_000 && wait <= 3_700_000, `next try in ${wait} ms`);
  t.match(info('siem').fix, /bandwidth/);
});

t.test('partial success: what a sink says it will never take is on record, the rest counts', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(30);
  const { info, notes } = startUploads(t, log, [otlp(receiver.url)]);
  receiver.misbehave((request, response, keep) => {
    keep(request.records.length - 2);
    return answer(response, 200, encodeResponse(2, 'too\u001b[2J old'), protobuf);
  });
  await until('all is dealt with', () => info('siem').next === 30);
  t.match(info('siem'), { acknowledged: 28, refused: 2, error: '' });
  t.match(notes, [{ operation: 'upload-refused', reason: /2 records .* position 0 on: too \[2J old/ }]);
});

t.test('a sink that refuses everything does not make the log grow with each refusal', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(12);
  const { uploads, info, notes } = startUploads(t, log, [otlp(receiver.url, { batch: 1 })]);
  receiver.misbehave((request, response) =>
    answer(response, 200, encodeResponse(request.records.length, 'no'), protobuf),
  );
  await until('all is dealt with', () => info('siem').next === 12);
  const told = (): string[] =>
    notes.filter(({ operation }) => operation === 'upload-refused').map(({ reason }) => reason);
  t.match(info('siem'), { acknowledged: 0, refused: 12 });
  t.strictSame(told(), ['sink siem refused 1 records from position 0 on: no'], 'the first is told at once');
  uploads.stop();
  t.match(told(), [/refused 1 records from position 0 /, /refused 11 records from position 1 /]);
});

t.test('a warning beside success is shown, and nothing is sent again', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(30);
  const { info } = startUploads(t, log, [otlp(receiver.url)]);
  receiver.misbehave((_, response, keep) => {
    keep();
    return answer(response, 200, encodeResponse(0, 'move to v2'), protobuf);
  });
  await until('all is dealt with', () => info('siem').next === 30);
  await until('it is shown', () => info('siem').warning === 'move to v2');
  t.match(info('siem'), { acknowledged: 30, refused: 0 });
  t.equal(receiver.records.length, 30);
});

t.test('one record that a sink cannot take does not hold up the others', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(40);
  const poison = log.all[17]!.uid;
  const { info, notes } = startUploads(t, log, [otlp(receiver.url)]);
  receiver.misbehave(({ records }, response) =>
    records.some(({ attributes }) => attributes['event.id'] === poison) ? answer(response, 400, '') : false,
  );
  await until('all others are there', () => info('siem').next === 40);
  t.strictSame(
    receiver.unique().map(({ attributes }) => attributes['event.id']),
    ids(log).filter((id) => id !== poison),
  );
  t.match(info('siem'), { acknowledged: 39, refused: 1 });
  t.match(notes, [{ operation: 'upload-refused', reason: /1 records/ }]);
});

t.test('records that are too large for a sink are refused alone; smaller requests follow', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(20);
  for (let i = 0; i < 5; i++) log.add(1, { padding: 100_000 });
  log.add(20);
  const { info } = startUploads(t, log, [otlp(receiver.url)]);
  receiver.misbehave(({ records }, response) => {
    const size = records.reduce(
      (sum, { attributes }) => sum + String(attributes['log.record.original']).length,
      0,
    );
    return size > 20_000 ? answer(response, 413, '') : false;
  });
  await until('the cursor is at the end', () => info('siem').next === 45);
  t.match(info('siem'), { acknowledged: 40, refused: 5 });
  t.equal(receiver.unique().length, 40);
});

for (const status of [400, 413])
  t.test(`one record that was refused with ${status} does not make every later request small`, async (t) => {
    const receiver = await startReceiver(t);
    const log = fakeLog();
    log.add(20);
    log.add(1, { padding: 100_000 });
    log.add(1000);
    const { info } = startUploads(t, log, [otlp(receiver.url)]);
    const poison = log.all[20]!.uid;
    receiver.misbehave(({ records }, response) =>
      records.some(({ attributes }) => attributes['event.id'] === poison)
        ? answer(response, status, '')
        : false,
    );
    await until('all others are there', () => info('siem').next === 1021);
    t.match(info('siem'), { acknowledged: 1020, refused: 1 });
    t.ok(receiver.requests.length < 300, `${receiver.requests.length} requests`);
  });

for (const status of ['400', '413', '422'])
  t.test(`a sink that answers ${status} to everything gets nothing dropped`, async (t) => {
    const receiver = await startReceiver(t);
    const log = fakeLog();
    log.add(200);
    const { info } = startUploads(t, log, [otlp(receiver.url)]);
    receiver.misbehave((_, response) => answer(response, Number(status), ''));
    await until('it says so', () => info('siem').error !== '');
    t.match(info('siem'), { next: 0, refused: 0, error: new RegExp(status) });
    t.ok(receiver.requests.length < 30, `${receiver.requests.length} requests until it gave up for now`);
    receiver.misbehave(undefined);
    await until('it catches up', () => info('siem').next === 200);
    t.equal(receiver.unique().length, 200);
  });

t.test('a sink that accepts and forgets is taken at its word: that is what acknowledged means', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(50);
  const { info } = startUploads(t, log, [otlp(receiver.url)]);
  receiver.misbehave((_, response) => answer(response, 200, encodeResponse(0, ''), protobuf));
  await until('all is acknowledged', () => info('siem').next === 50);
  t.match(info('siem'), { acknowledged: 50, lag: 0 });
  t.equal(receiver.records.length, 0);
});

t.test('a sink that answers slowly gets everything once and in order, and holds up no other', async (t) => {
  const [slow, quick] = [await startReceiver(t), await startReceiver(t)];
  const log = fakeLog();
  log.add(300);
  const { info } = startUploads(t, log, [
    otlp(slow.url, { name: 'slow', timeout: 60_000, batch: 50 }),
    otlp(quick.url),
  ]);
  const waiting: (() => void)[] = [];
  slow.misbehave((_, response, keep) => {
    waiting.push(() => {
      keep();
      answer(response, 200, encodeResponse(0, ''), protobuf);
    });
    return true;
  });
  await until('the other one has all', () => info('siem').next === 300);
  t.equal(info('slow').next, 0, 'while the slow one has answered nothing');
  // It answers each request when the next look finds it, one at a time.
  await until('the slow one has all', () => {
    waiting.shift()?.();
    return info('slow').next === 300;
  });
  t.strictSame(
    slow.records.map(({ attributes }) => attributes['event.id']),
    ids(log),
  );
  t.match(info('slow'), { acknowledged: 300, error: '' });
});

t.test('one dead sink holds up no other', async (t) => {
  const receiver = await startReceiver(t);
  const dead = await startReceiver(t);
  dead.misbehave(() => true);
  const log = fakeLog();
  log.add(500);
  const { info } = startUploads(t, log, [
    otlp(dead.url, { name: 'dead', timeout: 60_000 }),
    otlp('http://127.0.0.1:1/v1/logs', { name: 'refused' }),
    otlp(receiver.url),
  ]);
  await until('the living one has all', () => info('siem').next === 500);
  t.match([info('dead').next, info('refused').next], [0, 0]);
  await until('the refused one says so', () => info('refused').error !== '');
  t.match(info('refused'), { error: /ECONNREFUSED/, fix: /start the sink/ });
});
