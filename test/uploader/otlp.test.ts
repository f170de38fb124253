import t from 'tap';
import { makeCertificates } from '../support/certificates.ts';
import { fakeLog, origin } from '../support/fake-log.ts';
import { startReceiver } from '../support/otlp/receiver.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { otlp, startUploads } from '../support/uploads.ts';

t.test('records and checkpoints arrive as OTLP says, with the bytes that are hashed', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(150);
  log.sign();
  const { uploads, info, printed } = startUploads(t, log, [
    otlp(receiver.url, { token: Buffer.from('s3cret') }),
  ]);
  await until('all is acknowledged', () => info('siem').next === 150 && receiver.records.length === 151, {
    evidence: () => printed() + JSON.stringify(uploads.infos()),
  });

  t.strictSame(receiver.malformed, [], 'a strict receiver refused nothing');
  t.equal(receiver.requests[0]?.headers.authorization, 'Bearer s3cret');
  t.match(receiver.requests[0], {
    scope: 'cordon',
    resource: { 'service.name': 'cordon', 'service.instance.id': origin, 'host.name': 'endpoint' },
  });
  const records = receiver.unique();
  t.strictSame(
    records.map(({ attributes }) => attributes['log.record.original']),
    log.all.map(({ text }) => text.toString()),
    'every record once, in order, to the byte',
  );
  t.strictSame(records[0]?.body, JSON.parse(log.all[0]!.text.toString()), 'the body is the event');
  t.match(records[3], {
    eventName: 'ocsf.file_system_activity',
    severity: 13,
    time: 1_700_000_000_003_000_000n,
    attributes: {
      'ocsf.class_uid': 1001,
      'ocsf.type_uid': 100101,
      'event.id': log.all[3]!.uid,
      'cordon.log.position': 3,
      'cordon.log.leaf': Buffer.from(log.all[3]!.leaf).toString('hex'),
      'cordon.log.chain': Buffer.from(log.all[3]!.chain).toString('hex'),
    },
  });
  const checkpoint = receiver.records.at(-1);
  t.match(checkpoint, { eventName: 'cordon.checkpoint', body: log.checkpoint()?.note });
  await until('it is idle', () => info('siem').state === 'idle');
  t.match(info('siem'), { acknowledged: 150, lag: 0, error: '' });

  log.add(10);
  uploads.hint();
  await until('new ones follow', () => receiver.unique().length === 160);
});

t.test('TLS: the sink is checked against the CA, and gets the client certificate', async (t) => {
  const { ca, server, client } = makeCertificates(temporaryDirectory(t));
  const receiver = await startReceiver(t, { ...server, ca, requestCert: true, rejectUnauthorized: true });
  const log = fakeLog();
  log.add(5);
  const named = receiver.url.replace('127.0.0.1', 'localhost');
  const { info } = startUploads(t, log, [
    otlp(named, { tls: { ca, certificate: client.cert, key: client.key } }),
    otlp(receiver.url, { name: 'strange', tls: {} }),
    otlp(receiver.url, { name: 'anonymous', tls: { ca } }),
  ]);
  await until('the one with everything delivers', () => info('siem').next === 5);
  await until('the others say why not', () => info('strange').error !== '' && info('anonymous').error !== '');
  t.match(info('strange'), { error: /certificate/, fix: /ca:/, next: 0 });
  t.match(info('anonymous'), { fix: /certificate: and key:/, next: 0 });
  t.equal(receiver.unique().length, 5);
});

t.test('the classes, verdicts and sessions of the settings are all that leaves', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(300);
  const { info } = startUploads(t, log, [
    otlp(receiver.url, { filter: { verdicts: ['denied'], sessions: ['aaaa'] } }),
  ]);
  await until('the cursor is at the end', () => info('siem').next === 300);
  t.strictSame(
    receiver.unique().map(({ attributes }) => attributes['event.id']),
    log.all
      .filter(({ disposition, session }) => disposition === 'denied' && session === 'aaaa')
      .map(({ uid }) => uid),
  );
  t.equal(info('siem').lag, 0);
});

t.test('a record that is larger than a frame arrives whole', async (t) => {
  const receiver = await startReceiver(t);
  const log = fakeLog();
  log.add(1);
  log.add(1, { padding: 2_500_000 });
  log.add(1);
  const { info } = startUploads(t, log, [otlp(receiver.url)]);
  await until('all three are there', () => info('siem').next === 3);
  t.strictSame(
    receiver.unique().map(({ attributes }) => attributes['log.record.original']),
    log.all.map(({ text }) => text.toString()),
  );
});
