// A real spool, its signed checkpoints, and a witness that cosigns them.
import { join } from 'node:path';
import t from 'tap';
import { daemonStream, openAudit, softwareSigner } from '../../daemon/audit/mod.ts';
import { entryLogOf } from '../../daemon/control/entry-log.ts';
import { noteVerifier, openNote } from '../../daemon/proof/mod.ts';
import { startReceiver } from '../support/otlp/receiver.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { otlp, startUploads } from '../support/uploads.ts';
import { startWitness } from '../support/witness.ts';

t.test('checkpoints are cosigned, and what the witness signed is kept with them', async (t) => {
  const path = join(temporaryDirectory(t), 'cordon.db');
  const audit = openAudit(path, { now: Date.now });
  t.teardown(() => audit.close());
  const { publicKey } = softwareSigner(`${path}.key`);
  const own = noteVerifier(audit.head().origin, publicKey);
  const witness = await startWitness(t, own);
  const receiver = await startReceiver(t);
  const add = (count: number): void => {
    for (let i = 0; i < count; i++)
      audit.spool.note(daemonStream, {
        kind: 'admin',
        operation: 'test',
        object: String(i),
        disposition: 'observed',
        layer: 'daemon',
        reason: 'for the witness',
      });
    audit.checkpoint();
  };
  const log = entryLogOf(audit);
  const settings = otlp(receiver.url, { witness: { url: witness.url, key: witness.key } });
  const sign = (): readonly string[] =>
    openNote(audit.latestCheckpoint?.note ?? '', [own, witness.verifier]).verified.map(
      ({ verifier }) => verifier.name,
    );

  add(7);
  const first = startUploads(t, log, [settings]);
  await until('it is cosigned', () => first.info('siem').cosigned === 7, {
    evidence: () => JSON.stringify([first.uploads.infos(), witness.answers]) + first.printed(),
  });
  t.strictSame(
    sign(),
    [own.name, witness.verifier.name],
    'both signatures hold on the checkpoint that is kept',
  );
  add(20);
  first.uploads.hint();
  await until('the next one is cosigned', () => first.info('siem').cosigned === 27);
  t.strictSame(sign(), [own.name, witness.verifier.name]);
  first.uploads.stop();

  add(30);
  const second = startUploads(t, log, [settings]);
  await until('one is cosigned after a restart', () => second.info('siem').cosigned === 57);
  t.strictSame(
    witness.answers,
    ['cosigned 7', 'cosigned 27', '409 27', 'cosigned 57'],
    'the witness said where from',
  );
  t.equal(receiver.unique().length, 57, 'each record once');

  witness.lie = true;
  add(3);
  second.uploads.hint();
  await until('the lie is seen', () => second.info('siem').warning !== '');
  t.match(second.info('siem'), {
    warning: /witness: the signature of witness.test\/w1 is false/,
    cosigned: 57,
    next: 60,
  });
  t.strictSame(sign(), [own.name], 'and not kept');
});
