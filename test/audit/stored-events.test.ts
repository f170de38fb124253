// Entries that are stored by a template and what is their own: the same text comes out that was hashed, whatever part
// of it is changed is told, and templates go with the last entry that needs them.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { Test } from 'tap';
import { openDatabase } from '../../daemon/audit/database.ts';
import { openAudit } from '../../daemon/audit/mod.ts';
import type { Audit } from '../../daemon/audit/mod.ts';
import { segmentSize } from '../../daemon/audit/offsets.ts';
import { Templates } from '../../daemon/audit/templates.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { recordOf } from '../../daemon/ocsf/mod.ts';
import type { EventTemplate } from '../../daemon/ocsf/mod.ts';
import { session, verifyFiles } from '../support/log-files.ts';
import { sampleFrame, sampleRecord, sampleSession } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** A log of `count` records of which most are alike, closed. */
async function filled(t: Test, count: number, time = 42): Promise<{ database: string; open: () => Audit }> {
  const database = join(temporaryDirectory(t), 'cordon.db');
  const journal = `${database}.journal`;
  const open = (): Audit => openAudit(database, { now: () => time });
  const audit = open();
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  const frames = Array.from({ length: count }, (_, i) => sampleFrame(session, i + 1, sortOf(i + 1)));
  appendFileSync(journal, Buffer.concat(frames));
  await audit.spool.drain(session);
  audit.checkpoint();
  audit.close();
  return { database, open };
}

/** Files and executions that are alike but for the object, files with a fraction of a millisecond, one that is never alike. */
const sorts: readonly Partial<SessionRecord>[] = [
  { operation: 'write', disposition: 'allowed' },
  {
    kind: 'exec',
    operation: 'exec',
    disposition: 'denied',
    detail: { argv: ['make', '-j2'] },
  },
  { operation: 'read', disposition: 'allowed', time: 1_700_000_000_000.125 },
  { kind: 'name', operation: 'lookup', object: 'a.example', disposition: 'allowed' },
];
/** Executions are of a process of their own each. */
function sortOf(seq: number): Partial<SessionRecord> {
  const sort = sorts[(seq - 1) % sorts.length] ?? {};
  return sort.kind === 'exec' ? { ...sort, process: { pid: seq, comm: 'make' } } : sort;
}
const expected = (seq: number): SessionRecord => sampleRecord(session, seq, sortOf(seq));

const rows = (database: string, sql: string): unknown[] => {
  const db = new Sqlite(database, { readonly: true });
  try {
    return db.prepare<[]>(sql).pluck().all();
  } finally {
    db.close();
  }
};
const change = (database: string, sql: string): void => void new Sqlite(database).exec(sql).close();
const templated = 'SELECT position FROM entries WHERE template IS NOT NULL ORDER BY position';

t.test(
  'what is stored by a template is read as it was recorded, in every way and after a restart',
  async (t) => {
    const { database, open } = await filled(t, 1200);
    t.ok(rows(database, templated).length > 850, 'most are');
    t.equal(rows(database, 'SELECT count(*) FROM templates')[0], 3);
    const audit = open();
    t.teardown(() => audit.close());
    const entries = audit.entries({ after: -1, limit: 2000 });
    t.equal(entries.length, 1200);
    entries.forEach(({ text }, i) => {
      const found = recordOf(text ?? '');
      if (JSON.stringify(found) !== JSON.stringify({ ...found, ...expected(i + 1) }))
        t.fail(`record ${i + 1}`);
    });
    for (const { json } of audit.spool.find({ limit: 1200 })) {
      const record = JSON.parse(json) as SessionRecord;
      if (record.object !== expected(record.seq).object) t.fail(`record ${record.seq}`);
    }
    t.match(JSON.parse(audit.spool.byId(`${session}-999`)?.json ?? ''), expected(999));
    t.match(recordOf(audit.inclusion(`${session}-998`)?.event ?? ''), expected(998));
    audit.tend();
    const [found] = [...audit.search.find({ path: '/home/user/file-1001' })].flat();
    t.match(JSON.parse(found?.json ?? ''), expected(1001));
    t.match(await verifyFiles(database), { ok: true, entries: 1200 });
  },
);

for (const [what, sql, problems] of [
  ['the object', `UPDATE entries SET event = '/etc/shadow' WHERE position = 700`, ['edit 700-700']],
  ['the time', 'UPDATE entries SET time = time + 1 WHERE position = 700', ['edit 700-700']],
  ['the number', 'UPDATE entries SET seq = 90000 WHERE position = 700', ['edit 700-700']],
  [
    'the template of one',
    `UPDATE entries SET template = (SELECT template FROM entries WHERE position = 701) WHERE position = 700`,
    ['edit 700-700'],
  ],
  [
    'which template it is, to none',
    'UPDATE entries SET template = NULL WHERE position = 700',
    ['edit 700-700'],
  ],
  ['a template, to what is none', `UPDATE templates SET pieces = '[]' WHERE id = 1`, undefined],
  ['a template', `UPDATE templates SET pieces = replace(pieces, 'Cordon', 'Nodroc')`, undefined],
  ['a template, away', 'DELETE FROM templates', undefined],
] as const)
  t.test(`somebody changes ${what}: it is told, and of which entries`, async (t) => {
    const { database, open } = await filled(t, 1000);
    const before = rows(database, templated);
    t.ok(before.includes(700) && before.includes(701));
    change(database, sql);
    const result = await verifyFiles(database);
    // Without a journal to compare with.
    const told = result.problems.filter(({ kind }) => kind !== 'journal');
    const ranges = told.map(({ kind, from, to }) => `${kind} ${from}-${to}`);
    if (problems === undefined) t.match(told, [{ kind: 'edit' }]);
    else t.strictSame(ranges, problems);
    const audit = open();
    t.teardown(() => audit.close());
    t.equal(audit.entries({ after: -1, limit: 2000 }).length, 1000, 'readers go on');
    t.equal(audit.spool.find({ limit: 2000 }).length, 1000);
  });

t.test('a template goes with the last event that needs it, and the log stays whole', async (t) => {
  const day = 86_400_000;
  const { database, open } = await filled(t, 1000, 1_700_000_000_000 + 40 * day);
  const audit = open();
  t.teardown(() => audit.close());
  const prune = (keep: Record<string, number>): number => audit.prune({ keep, whenFull: 'deny' }, []).pruned;
  const ids = (): unknown[] => rows(database, 'SELECT id FROM templates ORDER BY id');
  t.strictSame(ids(), [1, 2, 3]);
  t.equal(prune({ read: 30 * day }), 250);
  t.equal(ids().length, 2);
  t.match(await verifyFiles(database), { ok: true, pruned: 250 });
  t.equal(prune({ mutation: 29 * day, denial: 29 * day }), 500);
  t.strictSame(ids(), []);
  t.match(await verifyFiles(database), { ok: true, pruned: 750 });
  // What comes next is stored by templates of its own.
  const journal = `${database}.journal`;
  for (let seq = 1001; seq <= 1100; seq++) appendFileSync(journal, sampleFrame(session, seq, sorts[0]));
  await audit.spool.drain(session);
  t.equal(ids().length, 1);
  t.match(JSON.parse(audit.spool.byId(`${session}-1100`)?.json ?? ''), {
    ...sampleRecord(session, 1100, sorts[0]),
  });
  audit.checkpoint();
  t.match(await verifyFiles(database), { ok: true, pruned: 750 });
});

t.test('a transaction that fails takes its templates with it, and the next one has its own', async (t) => {
  const { database, open } = await filled(t, 4);
  const audit = open();
  t.teardown(() => audit.close());
  const journal = `${database}.journal`;
  const write = (from: number, to: number): void => {
    for (let seq = from; seq <= to; seq++) appendFileSync(journal, sampleFrame(session, seq, sorts[0]));
  };
  change(
    database,
    `CREATE TRIGGER refuse BEFORE INSERT ON entries WHEN NEW.seq = 40 BEGIN SELECT RAISE(ABORT, 'refused'); END`,
  );
  write(5, 60);
  await t.rejects(audit.spool.drain(session), { message: /refused/ });
  t.strictSame(rows(database, 'SELECT id FROM templates'), []);
  change(database, 'DROP TRIGGER refuse');
  await audit.spool.drain(session);
  t.equal(rows(database, 'SELECT id FROM templates').length, 1);
  t.equal(audit.head().size, 60);
  t.match(JSON.parse(audit.spool.byId(`${session}-60`)?.json ?? ''), sampleRecord(session, 60, sorts[0]));
  audit.checkpoint();
  t.match(await verifyFiles(database), { ok: true, entries: 60 });
});

t.test('a database from before templates is verified as it is, and goes on', async (t) => {
  const { database, open } = await filled(t, 3);
  const before = rows(database, 'SELECT event FROM entries ORDER BY position');
  // As the version before left it: every event whole.
  change(
    database,
    `ALTER TABLE entries DROP COLUMN template; DROP TABLE templates; DROP TABLE group_terms;
     PRAGMA user_version = 5`,
  );
  t.match(await verifyFiles(database), { ok: true, entries: 3, problems: [] });
  const audit = open();
  t.teardown(() => audit.close());
  const journal = `${database}.journal`;
  for (let seq = 4; seq <= 20; seq++) appendFileSync(journal, sampleFrame(session, seq, sorts[0]));
  await audit.spool.drain(session);
  audit.checkpoint();
  const texts = audit.entries({ after: -1, limit: 50 }).map(({ text }) => text);
  t.strictSame(texts.slice(0, 3), before);
  t.equal(texts.length, 20);
  t.ok(rows(database, templated).length > 10);
  t.match(await verifyFiles(database), { ok: true, entries: 20, problems: [] });
});

t.test('however often the disk takes nothing, templates go with their own segment only', async (t) => {
  const { database } = await filled(t, 10);
  const db = openDatabase(database);
  t.teardown(() => db.close());
  const templates = new Templates(db);
  const many = Array.from({ length: 200 }, (_, i) => ({ pieces: [`${i}`] }) as unknown as EventTemplate);
  const use = (): (number | undefined)[] => {
    for (const each of many) templates.idFor(each, 5000);
    return many.map((each) => templates.idFor(each, 5001));
  };
  for (let i = 0; i < 400; i++) {
    try {
      db.transaction(() => {
        use();
        throw new Error('the disk is full');
      })();
    } catch {
      templates.forget();
    }
  }
  const used = db
    .transaction(use)()
    .filter((id) => id !== undefined);
  // All of the next segment goes.
  db.transaction(() => templates.drop([segmentSize, segmentSize + 1]))();
  const there = db.prepare<[number], number>('SELECT count(*) FROM templates WHERE id = ?').pluck();
  t.ok(
    used.every((id) => there.get(id) === 1),
    'what entries of this one are stored with is there',
  );
});
