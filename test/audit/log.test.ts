import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit, softwareSigner } from '../../daemon/audit/mod.ts';
import type { Audit } from '../../daemon/audit/mod.ts';
import type { NewRecord } from '../../daemon/model/mod.ts';
import { recordOf } from '../../daemon/ocsf/mod.ts';
import {
  chainHash,
  CompactRange,
  cosign,
  emptyChain,
  hashFromBase64,
  holdsConsistency,
  holdsInclusion,
  leafHash,
  noteVerifier,
  openNote,
  parseCheckpoint,
} from '../../daemon/proof/mod.ts';
import type { Checkpoint, Hash } from '../../daemon/proof/mod.ts';

import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { sampleRecord, sampleSession } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const session = 'abcd2345';
const note = (reason: string): NewRecord => ({
  kind: 'admin',
  operation: 'test',
  object: 'o',
  disposition: 'observed',
  layer: 'daemon',
  reason,
});

interface Place {
  readonly directory: string;
  readonly database: string;
  readonly journal: string;
  readonly open: (now?: () => number) => Audit;
}

function place(t: Test): Place {
  const directory = temporaryDirectory(t);
  const database = join(directory, 'cordon.db');
  const open = (now = () => 42): Audit => {
    const audit = openAudit(database, { now });
    t.teardown(() => audit.close());
    return audit;
  };
  return { directory, database, journal: join(directory, 'j'), open };
}

const fill = (audit: Audit, count: number): void => {
  for (let i = 0; i < count; i++) audit.spool.note('daemon', note(`number ${i}`));
};
const all = (audit: Audit): ReturnType<Audit['entries']> => audit.entries({ after: -1, limit: 1e6 });
const texts = (audit: Audit): string[] => all(audit).map(({ text }) => text ?? '');
const hash = (text: string): Hash => hashFromBase64(text) ?? '';

/** The checkpoint in a note, verified with the log's key. */
function verified(p: Place, signed: string | undefined): Checkpoint {
  const { publicKey } = softwareSigner(`${p.database}.key`);
  const origin = (signed ?? '').split('\n')[0] ?? '';
  return parseCheckpoint(openNote(signed ?? '', [noteVerifier(origin, publicKey)]).text);
}

t.test(
  'every entry is a leaf and a link, over restarts, and the checkpoint is the root of them all',
  async (t) => {
    const p = place(t);
    for (const count of [1, 254, 3, 600]) {
      const audit = p.open();
      fill(audit, count);
      audit.close();
    }
    const audit = p.open();
    const range = new CompactRange();
    let chain = emptyChain;
    for (const { text, leaf, chain: link } of all(audit)) {
      range.append(leafHash(text ?? ''));
      chain = chainHash(chain, hash(leaf));
      if (hash(leaf) !== leafHash(text ?? '') || hash(link) !== chain) t.fail('a leaf or link is another');
    }
    t.equal(range.size, 858);
    t.strictSame(audit.head().root, range.root());
    const { size, root } = verified(p, audit.checkpoint());
    t.strictSame([size, root], [858, range.root()]);
  },
);

t.test(
  'an outcome that comes later is an entry of its own, and the record that was there stays as it was',
  async (t) => {
    const p = place(t);
    const audit = p.open();
    audit.registry.add(sampleSession(session), p.journal);
    audit.spool.register(session, p.journal);
    const frame = (more: object): Buffer =>
      encodeJournalFrame(JSON.stringify(sampleRecord(session, 1, more)));
    writeFileSync(p.journal, frame({}));
    await audit.spool.drain(session);
    const before = all(audit);
    writeFileSync(p.journal, Buffer.concat([frame({}), frame({ outcome: 'EACCES' })]));
    await audit.spool.drain(session);
    const after = all(audit);
    t.strictSame(after.slice(0, 1), before);
    t.strictSame(
      after.map(({ uid }) => uid),
      [`${session}-1`, `${session}-1.outcome`],
    );
    t.match(recordOf(after[1]?.text ?? ''), { id: `${session}-1`, outcome: 'EACCES' });
    t.match(JSON.parse(audit.spool.byId(`${session}-1`)?.json ?? ''), { outcome: 'EACCES' });
    t.equal(audit.spool.find({ limit: 9 }).length, 1, 'one record to a reader');
  },
);

t.test(
  'a checkpoint is signed every thousand entries, every minute with new ones, and at the end',
  async (t) => {
    const p = place(t);
    let time = 0;
    const audit = p.open(() => time);
    const sizes = (): number[] =>
      new Sqlite(p.database, { readonly: true })
        .prepare<[], number>('SELECT size FROM checkpoints ORDER BY size')
        .pluck()
        .all();
    fill(audit, 2500);
    audit.tend();
    t.strictSame(sizes(), [1000, 2000, 2500]);
    fill(audit, 1);
    time = 59_000;
    audit.tend();
    t.equal(sizes().length, 3);
    time = 60_000;
    audit.tend();
    audit.tend();
    t.strictSame(sizes().slice(3), [2501]);
    time = 200_000;
    audit.tend();
    t.strictSame(sizes().slice(4), [], 'nothing new, nothing signed');
    fill(audit, 1);
    audit.close();
    t.strictSame(sizes().slice(4), [2502]);
  },
);

t.test('inclusion and consistency of what is in the log are proved against signed checkpoints', async (t) => {
  const p = place(t);
  const audit = p.open();
  fill(audit, 300);
  const first = verified(p, audit.checkpoint());
  fill(audit, 1234);
  for (const n of [1, 256, 257, 1534]) {
    const answer = audit.inclusion(`daemon-${n}`);
    const { size, root } = verified(p, answer?.checkpoint);
    const proof = (answer?.proof ?? []).map(hash);
    t.ok(
      holdsInclusion({ leaf: leafHash(answer?.event ?? ''), index: n - 1, size, root, proof }),
      `daemon-${n}`,
    );
  }
  const second = verified(p, audit.checkpoint());
  const proof = audit.consistency(first.size, second.size).map(hash);
  const roots = { firstRoot: first.root, secondRoot: second.root };
  t.ok(holdsConsistency({ first: first.size, second: second.size, ...roots, proof }));
  t.equal(audit.inclusion('daemon-9999'), undefined);
  t.equal(audit.inclusion('../x'), undefined);
  t.throws(() => audit.consistency(1, 2000), RangeError);
});

const reasons = (audit: Audit): string[] =>
  texts(audit)
    .filter((text) => text.includes('"class_uid":2004'))
    .map((text) => recordOf(text).reason);

t.test(
  'a database that was put back is told: a new log begins, and nothing is signed under the old name',
  async (t) => {
    const p = place(t);
    const before = p.open();
    fill(before, 100);
    before.close();
    const old = `${p.directory}/old.db`;
    copyFileSync(p.database, old);
    const more = p.open();
    fill(more, 50);
    const signed = verified(p, more.checkpoint());
    more.close();
    copyFileSync(old, p.database);
    const restored = p.open();
    const [why] = reasons(restored);
    t.match(why, /was put back: 150 entries were signed, it has 100/);
    const [entry] = restored.entries({ after: 99, limit: 1 });
    t.equal(entry?.position, 150, 'no position is used twice');
    t.match(entry?.uid, /^daemon-2000000001$/, 'no id is used twice');
    const now = verified(p, restored.checkpoint());
    t.not(now.origin, signed.origin);
    t.match(now, { size: 1 });
    restored.close();
    t.equal(reasons(p.open()).length, 1, 'told once');
  },
);

for (const [name, spoil, expected] of [
  ['the signed head is lost', (p) => rmSync(`${p.database}.head`), /is missing/],
  ['the signed head is garbage', (p) => writeFileSync(`${p.database}.head`, '{"size":1'), /cannot be read/],
  ['the database is lost', (p) => rmSync(p.database), /the database is gone/],
  ['the key is another', (p) => rmSync(`${p.database}.key`), /key that signs is another/],
  [
    'a signed entry has another leaf',
    (p) => new Sqlite(p.database).exec('UPDATE entries SET leaf = zeroblob(32) WHERE position = 550'),
    /not those that were signed/,
  ],
  [
    'entries at the end are gone',
    (p) => new Sqlite(p.database).exec('DELETE FROM entries WHERE position > 590'),
    /says it has 600 entries of this log, and has 591/,
  ],
] as readonly [string, (p: Place) => unknown, RegExp][])
  t.test(`a new log begins when ${name}`, async (t) => {
    const p = place(t);
    const before = p.open();
    fill(before, 600);
    const signed = verified(p, before.checkpoint());
    before.close();
    spoil(p);
    const after = p.open();
    t.match(reasons(after)[0], expected);
    fill(after, 3);
    const checkpoint = verified(p, after.checkpoint());
    t.not(checkpoint.origin, signed.origin);
    t.equal(checkpoint.size, 4);
    t.ok((after.entries({ after: 599, limit: 1 })[0]?.position ?? 0) >= 600);
  });

t.test(
  'a log that has a time for its number has room for numbers of its own, and each is found',
  async (t) => {
    const p = place(t);
    const today = (): number => Date.UTC(2026, 10, 23);
    const before = p.open(today);
    fill(before, 5);
    before.close();
    rmSync(`${p.database}.head`);
    const after = p.open(today);
    fill(after, 300);
    const uids = after.entries({ after: 4, limit: 301 }).map(({ uid }) => uid);
    t.equal(uids[0], `daemon-${today() / 1000}00001`);
    t.equal(new Set(uids).size, 301, 'each has a number of its own');
    t.ok(
      uids.every((uid) => after.inclusion(uid) !== undefined),
      'and is found by it',
    );
  },
);

t.test('a kill between the steps of signing leaves a log that goes on', async (t) => {
  const p = place(t);
  const audit = p.open();
  fill(audit, 10);
  audit.checkpoint();
  const head = readFileSync(`${p.database}.head`);
  fill(audit, 5);
  audit.checkpoint();
  audit.close();
  // The database has the head, the file beside it not yet.
  writeFileSync(`${p.database}.head`, head);
  const again = p.open();
  t.strictSame(reasons(again), []);
  t.equal(verified(p, again.checkpoint()).size, 15);
});

t.test('the cosignature of a witness is kept with its checkpoint', async (t) => {
  const p = place(t);
  const audit = p.open();
  fill(audit, 3);
  const signed = audit.checkpoint() ?? '';
  const witness = softwareSigner(join(p.directory, 'witness'));
  const line = cosign(signed.slice(0, signed.lastIndexOf('\n\n') + 1), 1_700_000_000, {
    name: 'witness.example/w',
    ...witness,
  });
  for (let i = 0; i < 2; i++) audit.acknowledge('siem', 2, { size: 3, lines: line });
  t.equal(audit.checkpoint(), signed + line, 'once');
  t.strictSame(audit.sinks.all(), [{ sink: 'siem', position: 2, time: 42 }]);
  audit.acknowledge('siem', 1);
  t.equal(audit.sinks.position('siem'), 2, 'it only grows');
  t.equal(audit.sinks.confirmedBy(['siem', 'other']), -1);
  t.equal(audit.sinks.confirmedBy([]), Infinity);
});

t.test('records of schema 1 become entries, in their order and with their outcomes', async (t) => {
  const p = place(t);
  const sql = readFileSync(new URL('./schema-1.sql', import.meta.url), 'utf8');
  const old = new Sqlite(p.database);
  old.exec(sql);
  const insert = old.prepare(
    'INSERT INTO records (stream, seq, subject, time, kind, disposition, json, completion) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  old.exec('BEGIN');
  for (let seq = 1; seq <= 2500; seq++) {
    const record = sampleRecord(session, seq);
    const completion = seq % 10 === 0 ? JSON.stringify({ ...record, outcome: '0' }) : null;
    const { time, kind, disposition } = record;
    insert.run(session, seq, session, time, kind, disposition, JSON.stringify(record), completion);
  }
  const own = { ...sampleRecord(session, 1), id: 'daemon-1', disposition: 'observed', operation: 'kill' };
  insert.run('daemon', 1, session, 5, 'admin', 'observed', JSON.stringify(own), null);
  insert.run('daemon', 2, session, 6, 'admin', 'observed', '{', null);
  old.exec('COMMIT');
  old.close();
  const audit = p.open();
  t.equal(audit.head().size, 2502);
  t.strictSame(audit.spool.totals(), { records: 2502, denied: 833 });
  t.strictSame(JSON.parse(audit.spool.byId(`${session}-20`)?.json ?? ''), {
    ...sampleRecord(session, 20),
    outcome: '0',
  });
  t.match(recordOf(texts(audit)[2500] ?? ''), { id: 'daemon-1', session, operation: 'kill' });
  t.match(recordOf(texts(audit)[2501] ?? ''), { id: 'daemon-2', reason: /could not be read/ });
  audit.spool.note(session, note('next'));
  t.match(audit.entries({ after: 2501, limit: 1 }), [{ uid: 'daemon-3' }]);
  t.equal(verified(p, audit.checkpoint()).size, 2503);
  audit.close();
  const again = p.open();
  t.equal(again.head().size, 2503);
});

t.test('a database of a newer version is refused, and left alone', async (t) => {
  const p = place(t);
  p.open().close();
  const db = new Sqlite(p.database);
  db.pragma('user_version = 99');
  db.close();
  t.throws(() => p.open(), { code: 'unavailable', message: /newer cordond/ });
  t.ok(existsSync(`${p.database}.head`));
});
