// Journals against the log: whichever of them somebody changes, verify says which record it is, and where.
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import type { Audit } from '../../daemon/audit/mod.ts';
import { checkJournals } from '../../daemon/audit/verify/journals.ts';
import type { Problem } from '../../daemon/audit/verify/result.ts';
import { keepAll } from '../../daemon/model/mod.ts';
import type { RedactionPolicy, SessionRecord } from '../../daemon/model/mod.ts';
import { eventText, valueSealer } from '../../daemon/ocsf/mod.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { session, verifyFiles } from '../support/log-files.ts';
import { sampleFrame, sampleRecord, sampleSession } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

interface Scene {
  readonly database: string;
  readonly journal: string;
  readonly frames: Buffer[];
}

const count = 40;
const frameOf = (record: SessionRecord): Buffer => encodeJournalFrame(JSON.stringify(record));
const exec = (seq: number): Partial<SessionRecord> => ({
  kind: 'exec',
  operation: 'exec',
  object: '/usr/bin/deploy',
  detail: { argv: ['deploy', '--password', 'opensesame', `file-${seq}`] },
});

/** Records, every fifth with an outcome that came later, all taken in; the session goes on. */
function scene(t: Test, redaction: RedactionPolicy = keepAll): Scene {
  const directory = temporaryDirectory(t);
  const [database, journal] = [join(directory, 'cordon.db'), join(directory, 'j')];
  const audit = openAudit(database, {
    now: () => 42,
    redaction,
    seal: () => valueSealer(Buffer.alloc(32, 3)),
  });
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  const frames: Buffer[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const record = sampleRecord(session, seq, seq % 2 === 0 ? exec(seq) : {});
    frames.push(frameOf(record));
    if (seq % 5 === 0) {
      writeFileSync(journal, Buffer.concat(frames));
      audit.spool.drainBatch(session);
      frames.push(frameOf({ ...record, outcome: 'ENOENT' }));
    }
  }
  writeFileSync(journal, Buffer.concat(frames));
  audit.spool.drainBatch(session);
  audit.close();
  return { database, journal, frames };
}

const problems = async ({ database }: Scene): Promise<readonly Problem[]> =>
  (await verifyFiles(database)).problems;
const changed = (frame: Buffer, change: (record: SessionRecord) => SessionRecord): Buffer =>
  frameOf(change(JSON.parse(frame.subarray(8).toString()) as SessionRecord));

t.test('a journal and its log agree, whatever was redacted', async (t) => {
  const policies: RedactionPolicy[] = [
    keepAll,
    { arguments: 'hash', paths: 'keep', content: 'drop' },
    { arguments: 'drop', paths: 'hash', content: 'keep' },
    { arguments: 'seal', paths: 'seal', content: 'hash' },
    { arguments: 'hash', paths: 'seal', content: 'seal' },
  ];
  for (const policy of policies) t.strictSame(await problems(scene(t, policy)), [], JSON.stringify(policy));
});

t.test('a frame that was written anew is told by record, byte and field', async (t) => {
  const at = scene(t);
  const frames = [...at.frames];
  // Frames 0 to 4, then the outcome of record 5: frame 7 is record 7. As long as the one before.
  frames[7] = changed(frames[7]!, (record) => ({ ...record, object: record.object.replace('file', 'pile') }));
  writeFileSync(at.journal, Buffer.concat(frames));
  const offset = Buffer.concat(frames.slice(0, 7)).length;
  const detail = `record 7, at byte ${offset} of the journal of ${session}, and its entry differ in object`;
  t.strictSame(await problems(at), [{ kind: 'journal', origin: session, from: 7, to: 7, detail }]);
});

t.test('an entry that was changed, hashes and all, is told by the journal', async (t) => {
  const at = scene(t);
  const db = new Sqlite(at.database);
  const forged = eventText(
    sampleRecord(session, 3, { disposition: 'allowed' }),
    {
      host: {
        hostname: '',
        uid: '',
        os: { name: '', version: '', kernel: '' },
        bootId: '',
        product: { version: '' },
      },
    },
    'record',
  );
  db.prepare('UPDATE entries SET event = ? WHERE stream = ? AND seq = 3').run(forged, session);
  db.close();
  const told = await problems(at);
  t.match(
    told.find(({ kind }) => kind === 'journal'),
    { from: 2, detail: /^record 3, at byte \d+ .* differ in .*disposition/ },
  );
  t.ok(told.some(({ kind }) => kind === 'edit'));
});

t.test('frames that were damaged since, taken out, or put in are told', async (t) => {
  const at = scene(t);
  const whole = readFileSync(at.journal);
  const start = Buffer.concat(at.frames.slice(0, 3)).length;
  const damaged = Buffer.from(whole);
  damaged[start + 40]! ^= 1;
  writeFileSync(at.journal, damaged);
  t.match(
    (await problems(at)).map(({ detail }) => detail),
    [
      new RegExp(`^${at.frames[3]!.length} bytes at byte ${start} of`),
      /^record 4 is in the log and no longer in the journal/,
    ],
  );
  // The length stays: something else stands in its place.
  const stranger = frameOf(sampleRecord(session, 999, { reason: '' }));
  const room = at.frames[3]!.length - stranger.length;
  const fitted = frameOf(sampleRecord(session, 999, { reason: 'x'.repeat(Math.max(0, room)) }));
  const other = [...at.frames.slice(0, 3), fitted, ...at.frames.slice(4)];
  writeFileSync(at.journal, Buffer.concat(other));
  const told = (await problems(at)).map(({ detail }) => detail);
  t.ok(
    told.some((detail) => /^record 999, at byte \d+ .* is not in the log/.test(detail)),
    told.join('\n'),
  );
  t.ok(told.some((detail) => /^record 4 is in the log and no longer/.test(detail)));
});

t.test('damage that is on record is not told again', async (t) => {
  const directory = temporaryDirectory(t);
  const [database, journal] = [join(directory, 'cordon.db'), join(directory, 'j')];
  const audit = openAudit(database, { now: () => 42 });
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  const frames = [1, 2, 3].map((seq) => frameOf(sampleRecord(session, seq)));
  frames[1]![20]! ^= 1;
  writeFileSync(journal, Buffer.concat(frames));
  audit.spool.drainBatch(session);
  audit.close();
  t.strictSame((await verifyFiles(database)).problems, []);
});

t.test('a journal that is shorter, or gone', async (t) => {
  const at = scene(t);
  truncateSync(at.journal, 100);
  t.match(await problems(at), [
    { kind: 'journal', detail: /has 100 bytes, \d+ were taken in/ },
    { kind: 'journal' },
  ]);
  rmSync(at.journal);
  t.match(await problems(at), [{ kind: 'journal', detail: /has 0 bytes/ }]);
});

t.test('whatever byte of a journal is changed, it is told; and noise is no harm', async (t) => {
  const at = scene(t);
  const whole = readFileSync(at.journal);
  const db = new Sqlite(at.database, { readonly: true });
  t.teardown(() => db.close());
  const told = async (bytes: Uint8Array): Promise<boolean> => {
    writeFileSync(at.journal, bytes);
    return (await checkJournals(db, `${at.database}.redaction-key`)).problems.length > 0;
  };
  t.notOk(await told(whole));
  const inside = fc.integer({ min: 0, max: whole.length - 1 });
  await fc.assert(
    fc.asyncProperty(inside, fc.integer({ min: 1, max: 255 }), (place, by) => {
      const bytes = Buffer.from(whole);
      bytes[place]! ^= by;
      return told(bytes);
    }),
  );
  await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 30_000 }), told));
});

/** So many records that most are stored by a template, and entries are read by pages. */
function longScene(t: Test): { readonly database: string; readonly journal: string; readonly audit: Audit } {
  const directory = temporaryDirectory(t);
  const [database, journal] = [join(directory, 'cordon.db'), join(directory, 'j')];
  const audit = openAudit(database, { now: () => 42 });
  t.teardown(() => audit.close());
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  const frames: Buffer[] = [];
  for (let seq = 1; seq <= 3500; seq++) {
    const time = 1_700_000_000_000 + seq / 4;
    frames.push(sampleFrame(session, seq, { time }));
    // Outcomes long after their records, and numbers that come a little late.
    if (seq > 1200 && seq % 7 === 0)
      frames.push(sampleFrame(session, seq - 1200, { time: time - 300, outcome: '0' }));
    if (seq % 50 === 0) frames.splice(-3, 0, frames.pop()!);
  }
  writeFileSync(journal, Buffer.concat(frames));
  while (audit.spool.drainBatch(session));
  return { database, journal, audit };
}

t.test('of a long journal, too, each entry that was changed is told, and nothing else', async (t) => {
  const { database, audit } = longScene(t);
  t.ok(audit.head().size > 3800, `${audit.head().size} entries`);
  audit.close();
  const db = new Sqlite(database);
  const keyFile = `${database}.redaction-key`;
  t.strictSame((await checkJournals(db, keyFile)).problems, []);
  const change = (sql: string, seq: number): number =>
    db.prepare(`UPDATE entries SET ${sql} WHERE stream = ? AND seq = ? AND part = 0`).run(session, seq)
      .changes;
  const stored = db.prepare('SELECT count(*) FROM entries WHERE template IS NOT NULL').pluck().get();
  t.ok(Number(stored) > 2500, `${String(stored)} by templates`);
  // Of allowed records: those that are denied have another template.
  const denied = db
    .prepare('SELECT template FROM entries WHERE stream = ? AND seq = 3000')
    .pluck()
    .get(session);
  change(`event = event || 'x'`, 2000);
  change('time = time + 1', 2002);
  change(`template = ${String(denied)}`, 2003);
  change('seq = 99000', 2005);
  const told = (await checkJournals(db, keyFile)).problems.map(({ detail }) => detail);
  db.close();
  t.equal(told.length, 5, told.join('\n'));
  t.match(told[0], /^record 2005, at byte \d+ .* is not in the log/);
  t.match(told[1], /^record 2000, at byte \d+ .* differ in object/);
  t.match(told[2], /^record 2002, at byte \d+ .* differ in time/);
  t.match(told[3], /^record 2003, at byte \d+ .* differ in .*disposition/);
  t.match(told[4], /^record 99000 is in the log and no longer in the journal/);
});

t.test('a session that goes on while its journal is held against the log is no problem', async (t) => {
  const { database, journal, audit } = longScene(t);
  const db = new Sqlite(database, { readonly: true });
  t.teardown(() => db.close());
  const checking = checkJournals(db, `${database}.redaction-key`);
  // The first thousand frames were looked at.
  const more = Array.from({ length: 400 }, (_, i) => sampleFrame(session, 3501 + i));
  appendFileSync(journal, Buffer.concat(more));
  const { size } = audit.head();
  while (audit.spool.drainBatch(session));
  t.equal(audit.head().size, size + 400);
  t.match(await checking, { count: 1, problems: [] });
});
