import { appendFileSync, existsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import type { Audit, KeptRecord } from '../../daemon/audit/mod.ts';
import type { NewRecord } from '../../daemon/model/mod.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { sampleRecord, sampleSession } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const session = 'abcd2345';
const frameOf = (seq: number, name = session): Buffer =>
  encodeJournalFrame(JSON.stringify(sampleRecord(name, seq)));
const seqs = (records: readonly KeptRecord[]): number[] =>
  records.map(({ json }) => (JSON.parse(json) as { seq: number }).seq);
const operations = (records: readonly KeptRecord[]): string[] =>
  records.map(({ json }) => (JSON.parse(json) as { operation: string }).operation);

interface Fixture {
  readonly audit: Audit;
  readonly journal: string;
  readonly database: string;
}
function fixture(t: Test): Fixture {
  const directory = temporaryDirectory(t);
  const journal = join(directory, `${session}.journal`);
  const database = join(directory, 'cordon.db');
  const audit = openAudit(database, { now: () => 42 });
  t.teardown(() => audit.close());
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  return { audit, journal, database };
}
const all = { limit: 10_000 };

t.test('records come out as they were journaled, in order, once', async (t) => {
  const { audit, journal } = fixture(t);
  for (let seq = 1; seq <= 5000; seq++) appendFileSync(journal, frameOf(seq));
  await audit.spool.drain(session);
  await audit.spool.drain(session);
  const found = audit.spool.find(all);
  t.strictSame(
    seqs(found),
    Array.from({ length: 5000 }, (_, i) => i + 1),
  );
  t.strictSame(JSON.parse(found[0]?.json ?? ''), sampleRecord(session, 1));
  t.strictSame(audit.spool.totals(), { records: 5000, denied: 1666 });
});

t.test(
  'what is journaled while records are taken in holds up nobody who waits for those before',
  async (t) => {
    const { audit, journal } = fixture(t);
    let written = 0;
    const write = (): void => {
      const frames = Array.from({ length: 1200 }, () => frameOf((written += 1)));
      appendFileSync(journal, Buffer.concat(frames));
    };
    write();
    // A session that writes more than is taken in, for as long as anybody looks.
    audit.spool.follow(() => {
      if (written < 60_000) write();
    });
    await audit.spool.drain(session);
    const { records } = audit.spool.totals();
    t.ok(records >= 1200 && records < 2400, `${records} of ${written} were taken in`);
  },
);

t.test('a journal of long records is taken in whole before it is deleted', async (t) => {
  const { audit, journal } = fixture(t);
  const object = `/${'x'.repeat(6000)}`;
  const long = (seq: number): Buffer =>
    encodeJournalFrame(JSON.stringify(sampleRecord(session, seq, { object: `${object}${seq}` })));
  for (let seq = 1; seq <= 900; seq++) appendFileSync(journal, long(seq));
  await audit.spool.finish(session);
  t.equal(audit.spool.totals().records, 900);
  t.notOk(existsSync(journal));
});

t.test('a torn last frame waits for its rest', async (t) => {
  const { audit, journal } = fixture(t);
  const second = frameOf(2);
  writeFileSync(journal, Buffer.concat([frameOf(1), second.subarray(0, 20)]));
  await audit.spool.drain(session);
  t.strictSame(seqs(audit.spool.find(all)), [1]);
  appendFileSync(journal, second.subarray(20));
  await audit.spool.drain(session);
  t.strictSame(seqs(audit.spool.find(all)), [1, 2]);
});

t.test(
  'a frame torn for good is recorded as damage, the rest is kept, and the journal is deleted',
  async (t) => {
    const { audit, journal } = fixture(t);
    writeFileSync(journal, Buffer.concat([frameOf(1), frameOf(2).subarray(0, 30)]));
    await audit.spool.finish(session);
    const found = audit.spool.find(all);
    t.strictSame(operations(found), ['open', 'journal-damage']);
    t.match(JSON.parse(found[1]!.json), { detail: { offset: frameOf(1).length, length: 30 } });
    t.notOk(existsSync(journal));
    t.strictSame(audit.spool.open, []);
  },
);

t.test(
  'repetitions and strangers in a journal are recorded at once, holes when the journal has ended',
  async (t) => {
    const { audit, journal } = fixture(t);
    writeFileSync(journal, Buffer.concat([frameOf(1), frameOf(4), frameOf(4), frameOf(5, 'other234')]));
    await audit.spool.drain(session);
    const expected = ['journal-damage', 'journal-repeat', 'open', 'open'];
    t.strictSame(operations(audit.spool.find(all)).sort(), expected);
    await audit.spool.finish(session);
    t.strictSame(operations(audit.spool.find(all)).sort(), ['journal-hole', ...expected].sort());
    const hole = audit.spool.find(all).find(({ json }) => json.includes('journal-hole'));
    t.match(JSON.parse(hole!.json), { detail: { count: 2, from: 2, to: 3 } });
  },
);

t.test('records that come a little out of order are no holes, also over a restart', async (t) => {
  const { audit, journal, database } = fixture(t);
  writeFileSync(journal, Buffer.concat([2, 1, 5, 4].map((seq) => frameOf(seq))));
  await audit.spool.drain(session);
  audit.close();
  const again = openAudit(database, { now: () => 43 });
  t.teardown(() => again.close());
  appendFileSync(journal, Buffer.concat([3, 7, 6].map((seq) => frameOf(seq))));
  await again.spool.finish(session);
  t.strictSame(
    operations(again.spool.find(all)),
    Array.from({ length: 7 }, () => 'open'),
  );
});

t.test('a number that does not come within a thousand later ones is a hole', async (t) => {
  const { audit, journal } = fixture(t);
  writeFileSync(
    journal,
    Buffer.concat([frameOf(1), ...Array.from({ length: 1100 }, (_, i) => frameOf(i + 3))]),
  );
  await audit.spool.drain(session);
  t.match(
    operations(audit.spool.find(all)).filter((each) => each !== 'open'),
    ['journal-hole'],
  );
});

t.test(
  'a record is completed by its outcome, once, and followers see it whole when it came at once',
  async (t) => {
    const { audit, journal } = fixture(t);
    const done = (seq: number, outcome: string): Buffer =>
      encodeJournalFrame(JSON.stringify(sampleRecord(session, seq, { outcome })));
    const seen: KeptRecord[] = [];
    audit.spool.follow((records) => seen.push(...records));
    writeFileSync(journal, Buffer.concat([frameOf(1), done(1, '0'), frameOf(2)]));
    await audit.spool.drain(session);
    appendFileSync(journal, Buffer.concat([done(2, 'ENOENT'), done(2, '0')]));
    await audit.spool.drain(session);
    const outcomes = (records: readonly KeptRecord[]): unknown[] =>
      records.map(({ json }) => (JSON.parse(json) as { outcome?: string }).outcome);
    t.strictSame(outcomes(audit.spool.find({ limit: 2, since: 1000 })), ['0', 'ENOENT']);
    t.strictSame(
      outcomes(seen),
      ['0', undefined, undefined],
      'the third says that record 2 was written again',
    );
    t.equal(audit.spool.totals().records, 3);
  },
);

t.test('a journal that became shorter is recorded, and what follows is taken in', async (t) => {
  const { audit, journal } = fixture(t);
  writeFileSync(journal, Buffer.concat([frameOf(1), frameOf(2)]));
  await audit.spool.drain(session);
  truncateSync(journal, 0);
  await audit.spool.drain(session);
  appendFileSync(journal, frameOf(3));
  await audit.spool.drain(session);
  t.strictSame(operations(audit.spool.find(all)), ['open', 'open', 'journal-damage', 'open']);
});

t.test('queries filter by session, time and denial, and give the latest, oldest first', async (t) => {
  const { audit, journal } = fixture(t);
  for (let seq = 1; seq <= 30; seq++) appendFileSync(journal, frameOf(seq));
  await audit.spool.drain(session);
  const { spool } = audit;
  t.strictSame(seqs(spool.find({ limit: 3 })), [28, 29, 30]);
  t.strictSame(seqs(spool.find({ limit: 3, deniedOnly: true })), [24, 27, 30]);
  t.strictSame(seqs(spool.find({ limit: 99, since: 1_700_000_000_028 })), [28, 29, 30]);
  t.strictSame(spool.find({ limit: 99, subjects: ['other234'] }), []);
  t.strictSame(spool.find({ limit: 99, subjects: [] }), []);
  t.equal(spool.find({ limit: 99, subjects: [session, 'other234'] }).length, 30);
  t.strictSame(seqs([spool.byId(`${session}-7`)!]), [7]);
  for (const id of ['', 'x', `${session}-`, `${session}-0007x`, `${session}-99`, '../etc-1'])
    t.equal(spool.byId(id), undefined, id);
});

t.test('a follower sees every record that comes in after it began, and none after it stopped', async (t) => {
  const { audit, journal } = fixture(t);
  writeFileSync(journal, frameOf(1));
  await audit.spool.drain(session);
  const seen: KeptRecord[] = [];
  const stop = audit.spool.follow((records) => seen.push(...records));
  appendFileSync(journal, Buffer.concat([frameOf(2), frameOf(3)]));
  await audit.spool.drain(session);
  stop();
  appendFileSync(journal, frameOf(4));
  await audit.spool.drain(session);
  t.strictSame(seqs(seen), [2, 3]);
});

const killed: NewRecord = {
  kind: 'admin',
  operation: 'kill',
  object: session,
  disposition: 'observed',
  layer: 'daemon',
  reason: 'asked',
};

t.test('the daemon’s own records are numbered without holes over a restart', async (t) => {
  const { audit, database } = fixture(t);
  audit.spool.append(session, killed);
  audit.spool.note(session, killed);
  audit.close();
  const again = openAudit(database, { now: () => 43 });
  again.spool.append(session, killed);
  t.match(JSON.parse(again.spool.byId('daemon-3')!.json), { session, seq: 3, time: 43, operation: 'kill' });
  t.strictSame(seqs(again.spool.find({ limit: 9, subjects: [session] })), [1, 2, 3]);
  again.close();
});

t.test('sessions count what was allowed and denied, and are found live or recent', async (t) => {
  const { audit, journal } = fixture(t);
  const row = sampleSession(session);
  writeFileSync(journal, Buffer.concat([frameOf(1), frameOf(2), frameOf(3)]));
  await audit.spool.drain(session);
  t.strictSame(audit.registry.live(), [{ ...row, allowed: 2, denied: 1 }]);
  audit.registry.update(session, 'ended', 5, row.facts);
  t.strictSame(audit.registry.live(), []);
  t.match(audit.registry.recent(5), [{ session, state: 'ended', ended: 5 }]);
});
