// Against a real nats-server.
import { join } from 'node:path';
import t from 'tap';
import { DiscardPolicy } from '@nats-io/jetstream';
import { credsAuthenticator } from '@nats-io/transport-node';
import { makeCertificates } from '../support/certificates.ts';
import { fakeLog, origin } from '../support/fake-log.ts';
import { natsOperator } from '../support/nats-operator.ts';
import { noNats, startNats } from '../support/nats-server.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { nats, startUploads } from '../support/uploads.ts';

const skip = noNats();
const idsIn = (log: ReturnType<typeof fakeLog>): string[] => log.all.map(({ uid }) => `${origin}:${uid}`);

t.test('records and checkpoints arrive in a stream, with the bytes that are hashed', { skip }, async (t) => {
  const server = await startNats(t);
  const log = fakeLog();
  log.add(200);
  log.sign();
  const { info } = startUploads(t, log, [nats(server.port)]);
  await until('all is acknowledged', () => info('fleet').next === 200 && info('fleet').state === 'idle');
  const stored = await server.stored();
  const records = stored.slice(0, -1);
  t.strictSame(
    records.map(({ text }) => text),
    log.all.map(({ text }) => text.toString()),
    'to the byte, in order',
  );
  t.strictSame(
    records.map(({ id }) => id),
    idsIn(log),
  );
  t.match(stored[0], {
    subject: 'cordon.records.test_example_log.denial',
    headers: {
      'Cordon-Origin': origin,
      'Cordon-Position': '0',
      'Cordon-Event': log.all[0]!.uid,
      'Cordon-Leaf': Buffer.from(log.all[0]!.leaf).toString('hex'),
      'Cordon-Chain': Buffer.from(log.all[0]!.chain).toString('hex'),
    },
  });
  t.match(stored.at(-1), { text: log.checkpoint()?.note, headers: { 'Cordon-Size': '200' } });
  t.match(info('fleet'), { acknowledged: 200, duplicates: 0, error: '' });
});

t.test(
  'nats-server is killed in the middle of batches, again and again: nothing is lost, nothing is twice',
  { skip },
  async (t) => {
    const server = await startNats(t);
    const log = fakeLog();
    log.add(4000);
    const { info, uploads } = startUploads(t, log, [nats(server.port, { batch: 500, window: 128 })]);
    for (let kill = 1; kill <= 5; kill++) {
      await until('some is acknowledged', () => info('fleet').next >= kill * 500, {
        within: 60_000,
        every: 1,
      });
      await server.crash();
      log.add(200);
      uploads.hint();
      await until('it is noticed', () => info('fleet').state === 'waiting' || info('fleet').error !== '');
      await server.start();
    }
    await until('all is acknowledged', () => info('fleet').next === 5000, { within: 90_000 });
    t.strictSame(
      (await server.stored()).map(({ id }) => id),
      idsIn(log),
      'each once, in the order of the log',
    );
  },
);

t.test('a full stream: records wait, and follow when there is room', { skip }, async (t) => {
  const server = await startNats(t);
  await server.addStream({
    name: 'AUDIT',
    subjects: ['cordon.records.>'],
    max_msgs: 120,
    discard: DiscardPolicy.New,
  });
  const log = fakeLog();
  log.add(300);
  const { info } = startUploads(t, log, [nats(server.port)]);
  await until('it is said', () => info('fleet').error !== '');
  t.match(info('fleet'), { next: 120, error: /maximum messages exceeded/, fix: /stream AUDIT is full/ });
  await server.manage((manager) => manager.streams.update('AUDIT', { max_msgs: -1 }));
  await until('the rest follows', () => info('fleet').next === 300, { within: 60_000 });
  t.strictSame(
    (await server.stored()).map(({ id }) => id),
    idsIn(log),
  );
});

t.test('what is not there, or not ours, is said with what to do', { skip }, async (t) => {
  const server = await startNats(t, 'max_payload: 4096');
  await server.addStream({ name: 'OTHER', subjects: ['other.>'] });
  const log = fakeLog();
  log.add(5);
  const { info } = startUploads(t, log, [
    nats(server.port, { name: 'none', stream: 'NONE', create: false }),
    nats(server.port, { name: 'other', stream: 'OTHER' }),
    nats(1, { name: 'nobody' }),
    nats(server.port, { name: 'tls', servers: [`tls://127.0.0.1:${server.port}`] }),
  ]);
  for (const name of ['none', 'other', 'nobody', 'tls']) await until(name, () => info(name).error !== '');
  t.match(info('none'), {
    next: 0,
    error: /stream not found/,
    fix: /make the stream .* or set create: true/,
  });
  t.match(info('other'), { next: 0, error: /does not take cordon.records/, fix: /nats stream edit OTHER/ });
  t.match(info('nobody'), { next: 0, error: /refused/, fix: /start nats-server/ });
  t.match(info('tls'), { next: 0, error: /tls/, fix: /turn TLS on/ });
});

t.test(
  'a record over max_payload leaves its place and its hashes, and holds up nothing',
  { skip },
  async (t) => {
    const server = await startNats(t, 'max_payload: 8192');
    const log = fakeLog();
    log.add(10);
    log.add(1, { padding: 100_000 });
    log.add(10);
    const { info, notes } = startUploads(t, log, [nats(server.port)]);
    await until('the cursor is at the end', () => info('fleet').next === 21);
    const stored = await server.stored();
    t.strictSame(
      stored.map(({ id }) => id),
      idsIn(log),
    );
    t.match(stored[10], { text: '', headers: { 'Cordon-Withheld': /^\d+$/, 'Cordon-Position': '10' } });
    t.match(info('fleet'), { acknowledged: 20, refused: 1 });
    t.match(notes, [{ operation: 'upload-refused', reason: /max_payload/ }]);
  },
);

t.test('a server that takes next to nothing gets nothing passed over', { skip }, async (t) => {
  const server = await startNats(t, 'max_payload: 100');
  const log = fakeLog();
  log.add(10);
  const { info } = startUploads(t, log, [nats(server.port)]);
  await until('it is said', () => info('fleet').error !== '');
  t.match(info('fleet'), { next: 0, refused: 0, error: /messages of 100 bytes/, fix: /raise max_payload/ });
});

t.test('TLS with a client certificate, and a token', { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const { ca, client } = makeCertificates(directory);
  const at = (name: string): string => JSON.stringify(join(directory, name));
  const server = await startNats(
    t,
    `authorization { token: "s3cret" }
     tls { cert_file: ${at('server.pem')}, key_file: ${at('server.key')}, ca_file: ${at('ca.pem')}, verify: true }`,
  );
  const log = fakeLog();
  log.add(20);
  const servers = [`tls://localhost:${server.port}`];
  const tls = { ca, certificate: client.cert, key: client.key };
  const token = Buffer.from('s3cret');
  const { info } = startUploads(t, log, [
    nats(server.port, { servers, tls, token }),
    nats(server.port, { servers, tls, token: Buffer.from('wrong'), name: 'wrong-token' }),
    nats(server.port, { servers, tls: {}, token, name: 'strange' }),
  ]);
  await until('the one with everything delivers', () => info('fleet').next === 20);
  await until(
    'the others say why not',
    () => info('wrong-token').error !== '' && info('strange').error !== '',
  );
  t.match(info('wrong-token'), { next: 0, error: /authorization/i, fix: /renew/ });
  t.match(info('strange'), { next: 0, error: /certificate/i, fix: /ca:/ });
});

t.test(
  'a .creds file (JWT and nkey) opens a server that has an operator; others do not',
  { skip },
  async (t) => {
    const directory = temporaryDirectory(t);
    const { ca } = makeCertificates(directory);
    const at = (name: string): string => JSON.stringify(join(directory, name));
    const operator = natsOperator();
    const server = await startNats(
      t,
      `${operator.config}\ntls { cert_file: ${at('server.pem')}, key_file: ${at('server.key')} }`,
    );
    const log = fakeLog();
    log.add(20);
    const servers = [`tls://localhost:${server.port}`];
    const tls = { ca };
    const credentials = operator.credentials();
    const { info } = startUploads(t, log, [
      nats(server.port, { servers, tls, credentials }),
      nats(server.port, { servers, tls, credentials: operator.strange(), name: 'strange' }),
      nats(server.port, { servers, tls, credentials: operator.credentials(1_700_000_001), name: 'expired' }),
      nats(server.port, { servers, tls, name: 'anonymous' }),
    ]);
    await until('the right one delivers', () => info('fleet').next === 20, {
      evidence: () => JSON.stringify(info('fleet')),
    });
    for (const name of ['strange', 'expired', 'anonymous']) {
      await until(`${name} is turned away`, () => info(name).error !== '');
      t.match(info(name), { next: 0, error: /authori[sz]ation|authentication|expired/i, fix: /renew/ }, name);
    }
    const authenticator = credsAuthenticator(credentials);
    const stored = await server.stored('AUDIT', { authenticator, tls: { ca: ca.toString() } });
    t.strictSame(
      stored.map(({ id }) => id),
      idsIn(log),
    );
  },
);

t.test('a second server is tried when the first is away', { skip }, async (t) => {
  const server = await startNats(t);
  const log = fakeLog();
  log.add(20);
  const servers = ['nats://127.0.0.1:1', `nats://127.0.0.1:${server.port}`];
  const { info } = startUploads(t, log, [nats(server.port, { servers })]);
  await until('all is acknowledged', () => info('fleet').next === 20);
});
