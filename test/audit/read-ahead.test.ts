// A long journal is read ahead by a second thread: the log must be what it would be without.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import type { Audit, AuditOptions } from '../../daemon/audit/mod.ts';
import { Preparation } from '../../daemon/audit/preparation.ts';
import { itemsOf } from '../../daemon/audit/prepared-window.ts';
import type { PreparedItem } from '../../daemon/audit/prepared-window.ts';
import { keepAll } from '../../daemon/model/mod.ts';
import type { RedactionPolicy, SessionRecord } from '../../daemon/model/mod.ts';
import { eventText, termsOf, valueSealer } from '../../daemon/ocsf/mod.ts';
import type { EventTemplate } from '../../daemon/ocsf/mod.ts';
import { leafHash } from '../../daemon/proof/mod.ts';
import { recordText } from '../../daemon/supervisor/record-text.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { inSession } from '../ocsf/samples.ts';
import { numbersIn, session, upTo, verifyFiles } from '../support/log-files.ts';
import { sampleFrame, sampleRecord, sampleSession } from '../support/records.ts';
import { randomFrom, seed } from '../support/seed.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const frameOf = (record: SessionRecord): Buffer => encodeJournalFrame(recordText(record));

interface Opened {
  readonly audit: Audit;
  readonly database: string;
  readonly journal: string;
}
function opened(t: Test, options: Partial<AuditOptions>, bytes: Buffer): Opened {
  const directory = temporaryDirectory(t);
  const [database, journal] = [join(directory, 'cordon.db'), join(directory, 'j')];
  const audit = openAudit(database, { now: () => 42, redactionKey: () => Buffer.alloc(32, 7), ...options });
  t.teardown(() => audit.close());
  writeFileSync(journal, bytes);
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  return { audit, database, journal };
}

/** All that a journal may have in it: alike and unlike, late, twice, of others, broken. */
function journalOf(start: number): Buffer {
  const next = randomFrom(start);
  const below = (limit: number): number => Math.floor(next() * limit);
  const frames: Buffer[] = [];
  const open: SessionRecord[] = [];
  const kinds: ((seq: number) => Partial<SessionRecord>)[] = [
    () => ({}),
    () => ({ process: { pid: below(3) } }),
    (seq) => ({ time: 1_700_000_000_000 + seq / 8 }),
    (seq) => ({ object: `/home/übung/${seq}/日本` }),
    (seq) => ({ object: `/${'long/'.repeat(2000)}${seq}`, outcome: '0' }),
    () => ({ kind: 'exec', operation: 'exec', detail: { argv: ['deploy', '--password', 'opensesame'] } }),
    // Alike, but for a name that is a secret now and then.
    (seq) => ({
      kind: 'exec',
      operation: 'exec',
      process: { pid: 1 + below(4), ppid: 1 },
      object: seq % 5 === 0 ? `/opt/ghp_${'a1B2'.repeat(9)}/run` : `/opt/bin/p${seq}`,
      detail: { argv: ['make', '-j2'] },
    }),
    () => ({ kind: 'name', operation: 'lookup', object: 'a.example', count: 3 }),
  ];
  for (let seq = 1; seq <= 1500; seq++) {
    const record = sampleRecord(session, seq, kinds[below(kinds.length)]?.(seq));
    const chance = below(40);
    // A number that never comes, and one that comes behind its successors.
    if (chance === 0) continue;
    frames.splice(chance === 1 ? Math.max(0, frames.length - 30) : frames.length, 0, frameOf(record));
    if (below(3) === 0) open.push(record);
    if (open.length > below(20)) frames.push(frameOf({ ...open.shift()!, outcome: 'ENOENT' }));
    if (chance === 2) frames.push(frameOf(record));
    if (chance === 3) frames.push(frameOf(sampleRecord('other234', seq)));
    if (chance === 4 && below(4) === 0) frames.push(Buffer.alloc(below(50), 1));
  }
  return Buffer.concat([...frames, frameOf(sampleRecord(session, 9000)).subarray(0, 30)]);
}

/** Entries of the session by id with their bytes' hash; of the daemon's own, what they say. */
function contents(audit: Audit): string[] {
  return audit
    .entries({ after: -1, limit: 1e6 })
    .map(({ uid, leaf, text }) =>
      uid.startsWith(session)
        ? `${uid} ${leaf}`
        : `daemon ${(JSON.parse(text ?? '{}') as { message?: string }).message}`,
    )
    .sort();
}

/** Threads that were started. */
let threads = 0;
process.on('worker', () => (threads += 1));

async function takenIn(
  t: Test,
  backlog: number,
  redaction: RedactionPolicy,
  bytes: Buffer,
): Promise<string[]> {
  const { audit, database } = opened(t, { backlog, redaction }, bytes);
  threads = 0;
  await audit.spool.finish(session);
  t.equal(threads > 0, backlog === 1, 'a second thread, where there is a backlog');
  const kept = audit.entries({ after: -1, limit: 1e6 }).map(({ text }) => text ?? '');
  t.notOk(kept.some((text) => text.includes('ghp_')));
  const found = contents(audit);
  const { allowed, denied } = audit.registry.get(session)!;
  audit.close();
  if (backlog === 1) t.match(await verifyFiles(database), { ok: true, problems: [] });
  return [...found, `${allowed} ${denied}`];
}

t.test(`the log has what it would have without a second thread (seed ${seed})`, async (t) => {
  for (const paths of ['keep', 'hash'] as const) {
    const bytes = journalOf(seed + paths.length);
    const redaction = { ...keepAll, paths };
    const alone = await takenIn(t, Infinity, redaction, bytes);
    t.ok(alone.length > 1500, `${alone.length} entries`);
    t.strictSame(await takenIn(t, 1, redaction, bytes), alone, `paths: ${paths}`);
  }
});

const many = (from: number, to: number): Buffer =>
  Buffer.concat(upTo(to - from + 1).map((i) => sampleFrame(session, from + i - 1)));

t.test('what the second thread makes is all that only needs its place in the log', (t) => {
  const path = join(temporaryDirectory(t), 'j');
  writeFileSync(path, Buffer.concat([many(1, 600), sampleFrame(session, 9), sampleFrame('other234', 1)]));
  const redaction = { policy: keepAll, key: Buffer.alloc(0) };
  const order = { session, path, cursor: 0, highest: 0, context: inSession, redaction };
  const preparation = new Preparation(order);
  t.teardown(() => preparation.close());
  const templates = new Map<number, EventTemplate>();
  const items: PreparedItem[] = [];
  for (let window = preparation.next(); window !== undefined; window = preparation.next())
    items.push(...itemsOf(session, window, templates));
  t.strictSame(
    items.map(({ as }) => as),
    [...upTo(600).map(() => 'record'), 'strange', 'late'],
  );
  for (const item of items) {
    if (item.as !== 'record') continue;
    const record = sampleRecord(session, item.seq);
    const text = eventText(record, inSession, 'record');
    if (item.text !== text || item.leaf !== leafHash(text)) t.fail(`record ${item.seq}`);
    if (String([...item.terms]) !== String(termsOf(record))) t.fail(`terms of ${item.seq}`);
  }
  t.end();
});

t.test('it is in order, however the journal grows and whoever else records meanwhile', async (t) => {
  const { audit, database, journal } = opened(t, { backlog: 1 }, many(1, 3000));
  let written = 3000;
  audit.spool.follow((records) => {
    if (written < 9000 && records.length > 1) appendFileSync(journal, many(written + 1, (written += 700)));
  });
  const note = { operation: 'x', object: 'o', disposition: 'observed', layer: 'daemon', reason: '' } as const;
  for (let round = 0; round < 4; round++) {
    const draining = [audit.spool.drain(session), audit.spool.drain(session)];
    audit.spool.note('daemon', { kind: 'admin', ...note });
    audit.spool.drainBatch(session);
    await Promise.all(draining);
    audit.tend();
  }
  await audit.spool.finish(session);
  t.strictSame(numbersIn(audit), upTo(written));
  audit.close();
  t.match(await verifyFiles(database), { ok: true, problems: [] });
});

t.test('what changes about the session meanwhile is said of what is taken in after', async (t) => {
  const { audit } = opened(t, { backlog: 1 }, many(1, 5000));
  let changed = false;
  audit.spool.follow(() => {
    const { state, ended, facts } = audit.registry.get(session)!;
    if (!changed) audit.registry.update(session, state, ended, { ...facts, policyDigest: 'cd'.repeat(32) });
    changed = true;
  });
  await audit.spool.drain(session);
  const texts = audit.entries({ after: -1, limit: 1e6 }).map(({ text }) => text ?? '');
  const said = texts.map((text) => text.includes('cd'.repeat(32)));
  const first = said.indexOf(true);
  t.ok(first > 0 && first <= 500, `from entry ${first} on`);
  t.ok(said.slice(first).every(Boolean));
});

t.test('where values are sealed nothing is read ahead, and all is taken in', async (t) => {
  const seal = (): ReturnType<typeof valueSealer> => valueSealer(Buffer.alloc(32, 3));
  const { audit } = opened(
    t,
    { backlog: 1, redaction: { ...keepAll, content: 'seal' }, seal },
    many(1, 1200),
  );
  await audit.spool.finish(session);
  t.strictSame(numbersIn(audit), upTo(1200));
});

t.test('a second thread that dies leaves the journal to the first', async (t) => {
  const { audit } = opened(t, { backlog: 1 }, many(1, 5000));
  let started = 0;
  const kill = (worker: Worker): void => {
    started += 1;
    void worker.terminate();
  };
  process.on('worker', kill);
  t.teardown(() => process.off('worker', kill));
  await audit.spool.drain(session);
  await audit.spool.finish(session);
  t.strictSame(numbersIn(audit), upTo(5000));
  t.equal(started, 1, 'and is not started again');
});

t.test('a log that is closed while a journal is read ahead lets the process end', async (t) => {
  const { audit } = opened(t, { backlog: 1 }, many(1, 3000));
  const draining = audit.spool.drain(session);
  audit.close();
  await t.rejects(draining);
});
