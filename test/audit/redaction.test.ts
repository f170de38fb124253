import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { keepAll } from '../../daemon/model/mod.ts';
import type { NewRecord } from '../../daemon/model/mod.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { sampleRecord, sampleSession } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const session = 'abcd2345';
const exec = sampleRecord(session, 1, {
  kind: 'exec',
  operation: 'exec',
  object: '/home/ada/bin/deploy',
  detail: { argv: ['deploy', '--password', 'opensesame'] },
});

t.test('what is redacted is nowhere in the database', async (t) => {
  const directory = temporaryDirectory(t);
  const database = join(directory, 'cordon.db');
  const journal = join(directory, 'journal');
  writeFileSync(journal, encodeJournalFrame(JSON.stringify(exec)));
  const audit = openAudit(database, { now: () => 1, redaction: { ...keepAll, paths: 'hash' } });
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  await audit.spool.drain(session);
  t.match(JSON.parse(audit.spool.byId(`${session}-1`)?.json ?? ''), {
    object: /^hmac-sha256:/,
    detail: { argv: ['deploy', '--password', '[redacted:option]'] },
  });
  audit.close();
  const bytes = readFileSync(database);
  for (const secret of ['opensesame', '/home/ada/bin']) t.notOk(bytes.includes(secret), secret);
});

const justification: NewRecord = {
  kind: 'tool',
  operation: 'justify',
  object: `${session}-1`,
  disposition: 'observed',
  layer: 'daemon',
  reason: 'why',
};

t.test('the host’s key is made once, for root alone, and hashes stay equal over a restart', async (t) => {
  const database = join(temporaryDirectory(t), 'cordon.db');
  const hashed = (): string => {
    const audit = openAudit(database, { now: () => 1, redaction: { ...keepAll, content: 'hash' } });
    audit.spool.note('s', justification);
    const last = audit.spool.find({ limit: 1 }).at(-1)?.json ?? '';
    audit.close();
    return (JSON.parse(last) as { reason: string }).reason;
  };
  const first = hashed();
  t.match(first, /^hmac-sha256:[0-9a-f]{64}$/);
  t.equal(hashed(), first);
  t.equal(statSync(`${database}.redaction-key`).mode & 0o777, 0o600);
});

t.test('a key that is damaged is an error that says what to do', async (t) => {
  const database = join(temporaryDirectory(t), 'cordon.db');
  writeFileSync(`${database}.redaction-key`, 'short\n');
  const open = (): unknown => openAudit(database, { now: () => 1, redaction: { ...keepAll, paths: 'hash' } });
  t.throws(open, { code: 'unavailable', facts: { fix: /move it away/ } });
});
