import { copyFileSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit, softwareSigner } from '../../daemon/audit/mod.ts';
import type { Audit } from '../../daemon/audit/mod.ts';
import type { Problem, VerifyResult } from '../../daemon/audit/verify/result.ts';
import {
  chainHash,
  cosign,
  cosignatureVerifier,
  hashBytes,
  hashOf,
  leafHash,
} from '../../daemon/proof/mod.ts';
import { verifyDatabase } from '../../daemon/audit/verify/verify.ts';
import { verifyFiles as verify } from '../support/log-files.ts';
import { sampleSession } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const count = 1500;

const openAt = (database: string): Audit => openAudit(database, { now: () => 42 });

/** A log of this many entries, made once. */
const made = new Map<number, string>();
function madeLog(entries: number): string {
  const before = made.get(entries);
  if (before !== undefined) return before;
  const database = join(temporaryDirectory(t), 'cordon.db');
  const audit = openAt(database);
  audit.registry.add(sampleSession('abcd2345'), join(database, '..', 'j'));
  for (let i = 0; i < entries; i++)
    audit.spool.note('daemon', {
      kind: 'admin',
      operation: 'test',
      object: `object ${i}`,
      disposition: 'observed',
      layer: 'daemon',
      reason: 'a sample',
    });
  audit.tend();
  audit.close();
  made.set(entries, database);
  return database;
}

/** A copy to work on. */
function log(t: Test, entries = count): { database: string; open: () => Audit } {
  const source = madeLog(entries);
  const database = join(temporaryDirectory(t), 'cordon.db');
  for (const part of ['', '.key', '.head']) copyFileSync(`${source}${part}`, `${database}${part}`);
  return { database, open: () => openAt(database) };
}

const told = ({ problems }: VerifyResult): string[] =>
  problems.map(({ kind, from, to }: Problem) => `${kind} ${from}-${to}`);

function change(database: string, work: (db: Sqlite.Database) => unknown): void {
  const db = new Sqlite(database);
  db.transaction(() => work(db))();
  db.close();
}

interface Row {
  readonly position: number;
  readonly leaf: Buffer;
  readonly chain: Buffer;
  readonly event: string;
}
const row = (db: Sqlite.Database, position: number): Row =>
  db
    .prepare<[number], Row>('SELECT position, leaf, chain, event FROM entries WHERE position = ?')
    .get(position)!;

/** Numbers the entries from `from` on anew, `by` further. */
function shift(db: Sqlite.Database, from: number, by: number): void {
  db.prepare('UPDATE entries SET position = -position - 1 WHERE position >= ?').run(from);
  db.prepare('UPDATE entries SET position = -position - 1 + ? WHERE position < 0').run(by);
}

function swap(db: Sqlite.Database, a: number, b: number): void {
  const move = db.prepare('UPDATE entries SET position = ? WHERE position = ?');
  for (const [to, from] of [
    [-9, a],
    [a, b],
    [b, -9],
  ])
    move.run(to, from);
}

/** As somebody does who knows how the log is made: everything behind is made anew. */
function rechain(db: Sqlite.Database, from: number): void {
  const set = db.prepare('UPDATE entries SET leaf = ?, chain = ? WHERE position = ?');
  let chain = hashOf(row(db, from - 1).chain);
  for (let at = from; at < count; at++) {
    const leaf = leafHash(row(db, at).event);
    chain = chainHash(chain, leaf);
    set.run(hashBytes(leaf), hashBytes(chain), at);
  }
}

t.test('a log that nobody touched is sound, over restarts and while it grows', async (t) => {
  const { database, open } = log(t);
  t.match(await verify(database), {
    ok: true,
    entries: count,
    problems: [],
    logs: [{ size: count, checkpoints: 2, signed: count, ownKey: true }],
  });
  const audit = open();
  t.teardown(() => audit.close());
  audit.spool.append('daemon', {
    kind: 'admin',
    operation: 'x',
    object: 'o',
    disposition: 'observed',
    layer: 'daemon',
    reason: '',
  });
  t.match(await verify(database), { ok: true, entries: count + 1, problems: [] });
});

/** Notes that come, and are signed, whenever the verification tells how far it is. */
async function verifyGrowing(database: string, audit: Audit): Promise<VerifyResult> {
  const { publicKey } = softwareSigner(`${database}.key`);
  return verifyDatabase({ database, publicKey, witnesses: [] }, () => {
    for (let i = 0; i < 10; i++)
      audit.spool.note('daemon', {
        kind: 'admin',
        operation: 'x',
        object: 'o',
        disposition: 'observed',
        layer: 'daemon',
        reason: '',
      });
    audit.checkpoint();
  });
}

t.test('what is recorded and signed while a log is verified is no rollback of it', async (t) => {
  const { database, open } = log(t);
  const audit = open();
  t.teardown(() => audit.close());
  t.match(await verifyGrowing(database, audit), { ok: true, entries: count, problems: [] });
  t.ok(audit.head().size > count, 'it grew');
});

const edit = `UPDATE entries SET event = replace(event, 'object 700', 'object 007') WHERE position = 700`;
const cases: readonly [string, (db: Sqlite.Database) => unknown, readonly string[]][] = [
  ['an event is edited', (db) => db.exec(edit), ['edit 700-700']],
  [
    'an event and its hash are edited',
    (db) => {
      db.exec(edit);
      db.prepare('UPDATE entries SET leaf = ? WHERE position = 700').run(
        hashBytes(leafHash(row(db, 700).event)),
      );
    },
    ['edit 699-700'],
  ],
  [
    'an event is edited and everything behind it made anew',
    (db) => {
      db.exec(edit);
      rechain(db, 700);
    },
    ['edit 512-767'],
  ],
  [
    'the same beyond the last whole tile',
    (db) => {
      db.exec(edit.replaceAll('700', '1400').replace('007', '0041'));
      rechain(db, 1400);
    },
    ['checkpoint 1000-1499'],
  ],
  [
    'the same, and the checkpoints behind it are taken away',
    (db) => {
      db.exec(edit.replaceAll('700', '1400').replace('007', '0041'));
      rechain(db, 1400);
      db.exec('DELETE FROM checkpoints WHERE size > 1400');
    },
    ['checkpoint 0-1499'],
  ],
  [
    'entries are deleted',
    (db) => db.exec('DELETE FROM entries WHERE position IN (9, 10, 300)'),
    ['deletion 9-10', 'deletion 300-300'],
  ],
  [
    'an entry is deleted and those behind numbered anew',
    (db) => {
      db.exec('DELETE FROM entries WHERE position = 300');
      shift(db, 301, -1);
    },
    ['deletion 299-300', 'truncation 1499-1499'],
  ],
  [
    'an entry is put in',
    (db) => {
      shift(db, 300, 1);
      db.exec(`INSERT INTO entries SELECT 300, 'zz', 1, 0, 0, subject, time, class, disposition, leaf, chain, event, template
        FROM entries WHERE position = 5`);
    },
    ['insertion 300-300', 'insertion 1500-1500'],
  ],
  ['two neighbours change places', (db) => swap(db, 20, 21), ['reordering 20-21']],
  ['two far ones change places', (db) => swap(db, 20, 800), ['reordering 20-800']],
  [
    'the end is cut off',
    (db) => db.exec('DELETE FROM entries WHERE position >= 1400'),
    ['truncation 1400-1499'],
  ],
  [
    'the end is cut off and the log told so',
    (db) => {
      db.exec('DELETE FROM entries WHERE position >= 1400');
      db.prepare('UPDATE logs SET size = 1400, chain = ?').run(row(db, 1399).chain);
    },
    ['truncation 1400-1499', 'rollback 1400-1499'],
  ],
  [
    'entries are put in behind the end',
    (db) =>
      db.exec(`INSERT INTO entries SELECT 1500, 'zz', 1, 0, 0, subject, time, class, disposition, leaf, chain, event, template
        FROM entries WHERE position = 5`),
    ['insertion 1500-1500'],
  ],
  [
    'an event is taken away',
    (db) => db.exec('UPDATE entries SET event = NULL WHERE position = 4'),
    ['deletion 4-4'],
  ],
  [
    'a checkpoint is forged',
    (db) =>
      db.exec(
        `UPDATE checkpoints SET note = replace(note, char(10) || '1000' || char(10), char(10) || '1001' || char(10)) WHERE size = 1000`,
      ),
    ['checkpoint 999-999'],
  ],
  [
    'a link is forged',
    (db) => db.exec('UPDATE entries SET chain = zeroblob(32) WHERE position = 40'),
    ['edit 39-40', 'edit 40-41'],
  ],
];

for (const [name, work, expected] of cases)
  t.test(`verify says where: ${name}`, async (t) => {
    const { database } = log(t);
    change(database, work);
    const result = await verify(database);
    const seen = told(result);
    for (const each of expected) t.ok(seen.includes(each), `${each} in ${seen.join(', ')}`);
    t.notOk(result.ok);
    t.ok(seen.length <= expected.length + 1, `no more than that: ${seen.join(', ')}`);
  });

t.test('a database that was put back is a rollback, before the daemon starts on it and after', async (t) => {
  const { database, open } = log(t);
  copyFileSync(database, `${database}.old`);
  const audit = open();
  for (let i = 0; i < 20; i++)
    audit.spool.note('daemon', {
      kind: 'admin',
      operation: 'x',
      object: 'o',
      disposition: 'observed',
      layer: 'daemon',
      reason: '',
    });
  const kept = audit.checkpoint();
  audit.close();
  copyFileSync(`${database}.old`, database);
  t.strictSame(told(await verify(database)), ['rollback 1500-1519']);
  t.strictSame(
    told(await verify(database, { kept })),
    ['rollback 1500-1519', 'rollback 1500-1519'],
    'also by a kept checkpoint',
  );
  open().close();
  const after = await verify(database);
  t.strictSame(told(after), ['rollback 1500-1519']);
  t.match(after.logs, [{ size: count }, { base: 1520, size: 1, reason: /was put back/ }]);
  const growing = open();
  t.teardown(() => growing.close());
  t.strictSame(told(await verifyGrowing(database, growing)), told(after), 'nor more while the new one grows');
});

t.test('a checkpoint that was kept elsewhere and is of this log holds', async (t) => {
  const { database, open } = log(t, 30);
  const audit = open();
  const kept = audit.checkpoint() ?? '';
  audit.close();
  t.strictSame(told(await verify(database, { kept })), []);
});

t.test('signatures of known witnesses are counted, and a false one is told', async (t) => {
  const { database, open } = log(t, 30);
  const audit = open();
  const note = audit.checkpoint() ?? '';
  const witness = softwareSigner(`${database}.witness`);
  const name = 'witness.example/w';
  const line = cosign(note.slice(0, note.lastIndexOf('\n\n') + 1), 1_700_000_000, { name, ...witness });
  audit.acknowledge('siem', 29, { size: 30, lines: line });
  audit.close();
  const witnesses = [cosignatureVerifier(name, witness.publicKey)];
  t.match(await verify(database, { witnesses }), { ok: true, logs: [{ cosignatures: 1 }] });
  const false_ = cosign('another text\n', 1_700_000_000, { name, ...witness });
  change(database, (db) => db.prepare('UPDATE checkpoints SET note = replace(note, ?, ?)').run(line, false_));
  t.match(await verify(database, { witnesses }), {
    problems: [{ kind: 'checkpoint', detail: /w is false/ }],
  });
  t.match(await verify(database), { ok: true }, 'a witness that is not known is ignored');
});

t.test('a page that is damaged is told with the entries on it, and the rest is checked', async (t) => {
  const { database } = log(t);
  const whole = readFileSync(database);
  const page = Math.floor(whole.indexOf('object 700') / 8192);
  t.ok(page > 0 && statSync(database).size > 0);
  const fd = openSync(database, 'r+');
  writeSync(fd, Buffer.alloc(8192, 0xa5), 0, 8192, page * 8192);
  const result = await verify(database);
  t.notOk(result.ok);
  const damage = result.problems.filter(({ kind }) => kind === 'damage');
  t.ok(
    damage.some(({ from, to }) => from <= 700 && 700 <= to),
    told(result).join(', '),
  );
  t.ok(result.entries > count - 30, `${result.entries} entries are still checked`);
});
