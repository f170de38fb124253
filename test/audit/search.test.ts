import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import type { Audit, SearchRequest } from '../../daemon/audit/mod.ts';
import { openDatabase } from '../../daemon/audit/database.ts';
import { packedSize, packInto, segmentSize, unpack } from '../../daemon/audit/offsets.ts';
import { positionsOf, Segments } from '../../daemon/audit/segments.ts';
import { TermTable } from '../../daemon/audit/term-table.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { matches } from '../../daemon/ocsf/mod.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { upTo } from '../support/log-files.ts';
import { sampleFrame, sampleRecord, sampleSession } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const session = 'abcd2345';

const makers: readonly Partial<SessionRecord>[] = [
  { kind: 'file', operation: 'write', object: '/home/ada/work/a/b.ts' },
  { kind: 'file', operation: 'read', object: '/home/ada/workshop/c' },
  { kind: 'file', operation: 'rename', object: '/tmp/x', object2: '/home/ada/work/y' },
  { kind: 'exec', operation: 'exec', object: '/usr/bin/git' },
  { kind: 'socket', operation: 'connect', object: '/run/x.sock' },
  { kind: 'connect', operation: 'connect', object: 'API.example.com:443', object2: '192.0.2.1' },
  { kind: 'connect', operation: 'connect', object: '[2001:db8::1]:443', object2: '2001:db8::1' },
  { kind: 'name', operation: 'lookup', object: 'myexample.com' },
  { kind: 'http', operation: 'request', object: 'GET http://www.example.com:80/a', object2: '192.0.2.2' },
  { kind: 'http', operation: 'request', object: 'GET http://192.0.2.1:80/a' },
  { kind: 'tool', operation: 'call', object: 'Bash' },
];
const records = Array.from({ length: 120 }, (_, i) =>
  sampleRecord(session, i + 1, {
    ...makers[(i * 7) % makers.length],
    time: 1_700_000_000_000 + ((i * 37) % 120),
  }),
);

async function fixture(t: Test): Promise<{ readonly audit: Audit; readonly database: string }> {
  const directory = temporaryDirectory(t);
  const journal = join(directory, 'journal');
  const database = join(directory, 'cordon.db');
  const audit = openAudit(database, { now: () => 42 });
  t.teardown(() => audit.close());
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  for (const record of records) appendFileSync(journal, encodeJournalFrame(JSON.stringify(record)));
  await audit.spool.drain(session);
  return { audit, database };
}

const ids = (audit: Audit, request: SearchRequest): string[] =>
  [...audit.search.find(request)].flat().map(({ json }) => (JSON.parse(json) as SessionRecord).id);

/** As the words of a request say, by looking at everything. */
const expected = ({ since = 0, until = Infinity, ...filter }: SearchRequest): string[] =>
  records
    .filter((record) => matches(record, filter) && record.time >= since && record.time < until)
    .map(({ id }) => id)
    .reverse();

const questions: readonly (readonly [SearchRequest, number])[] = [
  [{}, 120],
  [{ session }, 120],
  [{ session: 'other234' }, 0],
  [{ path: '/home/ada/work' }, 22],
  [{ path: '/home/ada/work/a/b.ts' }, 11],
  [{ path: '/home/ada/wor' }, 0],
  [{ path: '/' }, 55],
  [{ host: 'example.com' }, 22],
  [{ host: 'api.example.com' }, 11],
  [{ host: '192.0.2.1' }, 22],
  [{ host: '2001:db8::1' }, 11],
  [{ host: 'com' }, 33],
];

t.test('records are found by path, host, session, class, verdict and time, newest first', async (t) => {
  const { audit } = await fixture(t);
  for (const [request, count] of questions) {
    t.strictSame(ids(audit, request), expected(request), JSON.stringify(request));
    t.ok(Math.abs(ids(audit, request).length - count) <= 2, `${JSON.stringify(request)}: about ${count}`);
  }
  const verdict = fc.constantFrom('allowed', 'denied', 'would-deny', undefined);
  const recordClass = fc.constantFrom('denial', 'mutation', 'exec', 'network', 'read', 'gap', undefined);
  const place = fc.constantFrom('/home', '/usr/bin/git', '/tmp/x', undefined);
  const host = fc.constantFrom('example.com', '192.0.2.1', 'www.example.com', undefined);
  const time = fc.option(fc.integer({ min: 0, max: 130 }), { nil: undefined });
  fc.assert(
    fc.property(
      verdict,
      recordClass,
      place,
      host,
      time,
      time,
      (verdict, recordClass, path, host, from, to) => {
        const request: SearchRequest = {
          ...(verdict === undefined ? {} : { verdict }),
          ...(recordClass === undefined ? {} : { class: recordClass }),
          ...(path === undefined ? {} : { path }),
          ...(host === undefined ? {} : { host }),
          ...(from === undefined ? {} : { since: 1_700_000_000_000 + from }),
          ...(to === undefined ? {} : { until: 1_700_000_000_000 + to }),
        };
        assert.deepEqual(ids(audit, request), expected(request));
      },
    ),
    { numRuns: 150 },
  );
});

t.test('a stretch of time has all that is of that time, in whatever order it came', async (t) => {
  const { audit } = await fixture(t);
  const others = join(temporaryDirectory(t), 'others');
  audit.registry.add(sampleSession('other234'), others);
  audit.spool.register('other234', others);
  const start = 1_700_000_000_000;
  for (let seq = 1; seq <= segmentSize; seq++)
    appendFileSync(others, sampleFrame('other234', seq, { time: start + ((seq * 7919) % 16_411) }));
  await audit.spool.drain('other234');
  const all = audit.entries({ after: -1, limit: 1e6 });
  for (const [since, until] of [
    [start + 60, undefined],
    [undefined, start + 60],
    [start + 40, start + 80],
    [start + 119, start + 120],
    [start + 16_409, undefined],
    [start + 1e6, undefined],
    [undefined, start],
  ] as const) {
    const { from, to } = audit.stretch(since, until);
    const meant = all
      .filter(({ time }) => time >= (since ?? 0) && time < (until ?? Infinity))
      .map(({ position }) => position);
    const [first, last] = [Math.min(...meant), Math.max(...meant)];
    if (meant.length === 0) t.equal(from, to);
    else t.ok(from <= first && to > last, `${since} to ${until}: ${from} to ${to}, of ${first} to ${last}`);
  }
});

t.test('what only some may see is not found by others', async (t) => {
  const { audit } = await fixture(t);
  t.equal(ids(audit, { subjects: new Set(['other234']) }).length, 0);
  t.equal(ids(audit, { subjects: new Set([session]) }).length, 120);
});

t.test('after a restart, and when the index is gone, the log is indexed anew', async (t) => {
  const { audit, database } = await fixture(t);
  audit.close();
  const db = openDatabase(database);
  db.exec('DELETE FROM segments; DELETE FROM term_blocks');
  db.close();
  const again = openAudit(database, { now: () => 43 });
  t.teardown(() => again.close());
  again.spool.note(session, { ...makers[0], kind: 'admin', operation: 'x', object: 'late', ...own });
  t.equal(ids(again, { class: 'admin' }).length, 0, 'it waits behind the gap');
  while (again.search.catchUp());
  t.equal(ids(again, { class: 'admin' }).length, 1);
  t.strictSame(ids(again, { path: '/home/ada/work' }), expected({ path: '/home/ada/work' }));
});
const own = { disposition: 'observed', layer: 'daemon', reason: '' } as const;

t.test(
  'a log that took the place of another is searched, though positions are missing before it',
  async (t) => {
    const { audit, database } = await fixture(t);
    audit.close();
    const open = (): Audit => openAudit(database, { now: () => 43 });
    const note = (to: Audit, count: number): void => {
      for (let i = 0; i < count; i++)
        to.spool.note('daemon', { kind: 'admin', operation: 'x', object: 'after', ...own });
    };
    copyFileSync(database, `${database}.old`);
    const lost = open();
    // More than a segment.
    note(lost, segmentSize + 100);
    lost.close();
    copyFileSync(`${database}.old`, database);
    const after = open();
    t.teardown(() => after.close());
    t.ok(after.head().base > segmentSize, 'positions that were used are not used again');
    note(after, 1500);
    let steps = 0;
    while (steps < 100 && after.search.catchUp()) steps += 1;
    t.ok(steps < 100, 'the index is done in a few steps');
    t.equal(ids(after, { class: 'admin' }).length, 1500);
    t.strictSame(ids(after, { path: '/home/ada/work' }), expected({ path: '/home/ada/work' }));
    note(after, 1);
    t.equal(ids(after, { class: 'admin' }).length, 1501, 'what comes later is in it at once');
  },
);

t.test('an outcome that came later is in the record that is found', async (t) => {
  const { audit } = await fixture(t);
  const { id } = records[0] ?? sampleRecord(session, 1);
  const journal = join(temporaryDirectory(t), 'second');
  audit.registry.add(sampleSession('late2345'), journal);
  audit.spool.register('late2345', journal);
  const late = sampleRecord('late2345', 1, { object: '/late' });
  appendFileSync(journal, encodeJournalFrame(JSON.stringify(late)));
  await audit.spool.drain('late2345');
  appendFileSync(journal, encodeJournalFrame(JSON.stringify({ ...late, outcome: 'ENOSPC' })));
  await audit.spool.drain('late2345');
  const found = [...audit.search.find({ path: '/late' })].flat();
  t.equal(found.length, 1);
  t.match(JSON.parse(found[0]?.json ?? ''), { outcome: 'ENOSPC' });
  t.not(id, late.id);
});

t.test('a segment finds in its index what was put in, over many segments and a restart', async (t) => {
  const path = join(temporaryDirectory(t), 'index.db');
  const count = segmentSize * 2 + 500;
  const termsAt = (position: number): number[] => [1, 10 + (position % 3), 100 + (position % 5000)];
  const entries = Array.from({ length: count }, (_, position) => ({
    position,
    time: position,
    terms: termsAt(position),
  }));
  let db = openDatabase(path);
  new Segments(db).take(entries);
  db.close();
  db = openDatabase(path);
  t.teardown(() => db.close());
  const segments = new Segments(db);
  t.equal(segments.next, segmentSize * 2, 'what was not written is asked for again');
  segments.take(entries.slice(segments.next));
  const find = (terms: readonly number[]): number[] =>
    segments.all().flatMap(({ number }) => {
      const offsets = segments.having(number, terms);
      return offsets === undefined ? [] : positionsOf(number, offsets);
    });
  for (const terms of [[1], [11], [100], [12, 104], [10, 11], [7]]) {
    const whole = entries.filter((entry) => terms.every((term) => entry.terms.includes(term)));
    t.strictSame(find(terms), whole.map(({ position }) => position).reverse(), `terms ${terms.join(', ')}`);
  }
});

t.test(
  'what no segment of sixteen has is ruled out at once, what one has never, also after a restart',
  (t) => {
    const path = join(temporaryDirectory(t), 'index.db');
    const count = segmentSize * 35 + 10;
    // As hashes are: all over 53 bits. Every entry has the first, few the second, a segment the third.
    const everywhere = 2 ** 53 - 1;
    const rare = (position: number): number => (Math.floor(position / 7919) * 2 ** 37 + 12_345) % 2 ** 53;
    const ofSegment = (segment: number): number => segment * 2 ** 29 + 2 ** 45;
    const termsAt = (position: number): number[] => [
      everywhere,
      rare(position),
      ofSegment(Math.floor(position / segmentSize)),
    ];
    let db = openDatabase(path);
    const filled = new Segments(db);
    for (let from = 0; from < count; from += segmentSize) {
      const length = Math.min(segmentSize, count - from);
      const positions = Array.from({ length }, (_, i) => from + i);
      filled.take(positions.map((position) => ({ position, time: position, terms: termsAt(position) })));
    }
    const asked = [
      [everywhere],
      ...upTo(40).map((i) => [ofSegment(i - 1)]),
      [rare(0)],
      [rare(400_000)],
      [77],
    ];
    asked.push([everywhere, ofSegment(20)], [ofSegment(3), ofSegment(20)]);
    const check = (segments: Segments): number => {
      let ruledOut = 0;
      for (const terms of asked) {
        const mayHave = segments.asked(terms);
        for (const { number } of segments.all()) {
          const has = segments.having(number, terms) !== undefined;
          if (has && !mayHave(number)) t.fail(`${terms.join(', ')} is in segment ${number}`);
          if (!has && !mayHave(number)) ruledOut += 1;
        }
      }
      return ruledOut;
    };
    t.equal(check(filled), 0, 'nothing is known yet');
    for (let step = 0; step < 40; step++) filled.group();
    const some = check(filled);
    t.ok(some > 500, `${some} looks are spared`);
    db.close();
    db = openDatabase(path);
    t.teardown(() => db.close());
    // The second group was half made.
    const segments = new Segments(db);
    t.equal(check(segments), some);
    while (segments.group());
    t.ok(check(segments) > 1000, `${check(segments)} looks are spared`);
    t.notOk(segments.group());
    // What is damaged rules out nothing.
    db.exec(`UPDATE group_terms SET terms = x'010203'`);
    t.equal(check(segments), 0);
    t.end();
  },
);

t.test('offsets are packed and unpacked without loss, many or few', async () => {
  const some = fc.uniqueArray(fc.nat(segmentSize - 1), { maxLength: 40 });
  const many = fc.integer({ min: 1, max: 9 }).map((step) => Array.from({ length: 1600 }, (_, i) => i * step));
  fc.assert(
    fc.property(fc.oneof(some, many), fc.maxSafeNat(), (offsets, term) => {
      const sorted = [...offsets].sort((a, b) => a - b);
      const table = new TermTable();
      for (const offset of sorted) {
        table.add(term, offset);
        table.add(term, offset);
        table.add(offset % 7, offset);
      }
      if (term < 7) return;
      const bytes = new Uint8Array(packedSize(table.count(term)));
      assert.equal(packInto(bytes, 0, table, term), bytes.length);
      assert.deepEqual(positionsOf(0, unpack(bytes)).reverse(), sorted);
    }),
  );
});

t.test('a table of terms finds what a map of them does', async () => {
  // Terms that fall into the same places, and more than it has room for at first.
  const term = fc.tuple(fc.nat(60), fc.nat(300)).map(([low, high]) => low + high * 2 ** 32);
  const terms = fc.array(term, { minLength: 100, maxLength: 12_000, size: 'max' });
  fc.assert(
    fc.property(terms, (all) => {
      const table = new TermTable();
      const expected = new Map<number, number[]>();
      all.forEach((each, offset) => {
        table.add(each, offset);
        expected.set(each, [...(expected.get(each) ?? []), offset]);
      });
      assert.equal(table.size, expected.size);
      assert.deepEqual(
        [...table.sorted()],
        [...expected.keys()].sort((a, b) => a - b),
      );
      for (const [each, offsets] of expected) {
        const found: number[] = [];
        table.each(each, (offset) => found.push(offset));
        assert.deepEqual(found, offsets);
      }
    }),
    { numRuns: 20 },
  );
});
