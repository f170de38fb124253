import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { keepAll } from '../../daemon/model/mod.ts';
import type { NewRecord } from '../../daemon/model/mod.ts';
import { valueOpener, valueSealer } from '../../daemon/ocsf/mod.ts';
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

const secretCommand = ['claude', '--api-key', 'sk-ant-abcdefghijklmnop1234567890', 'tidy up'];
const sessionWith = (argv: readonly string[]): ReturnType<typeof sampleSession> => {
  const row = sampleSession(session);
  return { ...row, facts: { ...row.facts, argv } };
};
/** Database and write-ahead log. */
const bytesOf = (database: string): Buffer =>
  Buffer.concat(
    [database, `${database}-wal`].filter((file) => existsSync(file)).map((file) => readFileSync(file)),
  );

t.test('a secret in a session’s command line never gets into the table of sessions', async (t) => {
  const database = join(temporaryDirectory(t), 'cordon.db');
  const audit = openAudit(database, { now: () => 1 });
  audit.registry.add(sessionWith(secretCommand), '/nowhere');
  const shown = audit.registry.get(session)?.facts;
  t.match(shown?.argv, ['claude', '--api-key', /^\[redacted:/, 'tidy up']);
  // The supervisor tells the daemon what it runs, over and over.
  audit.registry.update(session, 'running', 0, { ...shown!, argv: secretCommand });
  t.notOk(bytesOf(database).includes('sk-ant-'));
  audit.close();
  t.notOk(bytesOf(database).includes('sk-ant-'));
});

t.test('the arguments of a session’s command are kept as policy says', async (t) => {
  const kept = (policy: 'keep' | 'hash' | 'drop'): readonly string[] | undefined => {
    const database = join(temporaryDirectory(t), 'cordon.db');
    const audit = openAudit(database, { now: () => 1, redaction: { ...keepAll, arguments: policy } });
    audit.registry.add(sessionWith(['claude', 'tidy up']), '/nowhere');
    const argv = audit.registry.get(session)?.facts.argv;
    audit.close();
    return argv;
  };
  t.strictSame(kept('keep'), ['claude', 'tidy up']);
  t.strictSame(kept('drop'), ['claude', '[dropped]']);
  t.match(kept('hash'), ['claude', /^hmac-sha256:[0-9a-f]{64}$/]);
});

t.test('command lines that an earlier version kept are redacted when the database is opened', async (t) => {
  const database = join(temporaryDirectory(t), 'cordon.db');
  openAudit(database, { now: () => 1 }).close();
  const db = new Sqlite(database);
  const { facts, ...row } = sessionWith(secretCommand);
  db.exec(`DELETE FROM settings WHERE name = 'sessions.arguments-redacted'`);
  db.prepare(
    `INSERT INTO sessions (session, uid, owner, state, started, ended, facts)
     VALUES (:session, :uid, :owner, :state, :started, :ended, :facts)`,
  ).run({ ...row, facts: JSON.stringify(facts) });
  db.close();
  t.ok(bytesOf(database).includes('sk-ant-'), 'it is there before');
  const audit = openAudit(database, { now: () => 1 });
  t.match(audit.registry.get(session)?.facts.argv, ['claude', '--api-key', /^\[redacted:/]);
  t.notOk(bytesOf(database).includes('sk-ant-'), 'and nowhere in the files after, free pages included');
  audit.close();
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

t.test(
  'while there is no key to seal with, values are dropped; they are sealed from when there is one',
  async (t) => {
    const database = join(temporaryDirectory(t), 'cordon.db');
    const key = Buffer.alloc(32, 5);
    let locked = true;
    const audit = openAudit(database, {
      now: () => 1,
      redaction: { ...keepAll, content: 'seal' },
      seal: () => (locked ? undefined : valueSealer(key)),
    });
    const noted = (): { readonly id: string; readonly reason: string } => {
      audit.spool.note('s', { ...justification, reason: 'to please the boss' });
      return JSON.parse(audit.spool.find({ limit: 1 }).at(-1)?.json ?? '') as { id: string; reason: string };
    };
    t.equal(noted().reason, '[dropped]');
    locked = false;
    const { id, reason } = noted();
    t.equal(valueOpener([key])(reason, id), 'to please the boss');
    audit.close();
    t.notOk(bytesOf(database).includes('the boss'));
  },
);
