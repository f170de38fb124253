import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit, softwareSigner } from '../../daemon/audit/mod.ts';
import type { Audit } from '../../daemon/audit/mod.ts';
import { verifyDatabase } from '../../daemon/audit/verify/verify.ts';
import type { VerifyResult } from '../../daemon/audit/verify/result.ts';
import type { RetentionSettings, SessionRecord } from '../../daemon/model/mod.ts';
import { recordOf } from '../../daemon/ocsf/mod.ts';
import {
  hashFromBase64,
  holdsInclusion,
  openNote,
  parseCheckpoint,
  parseVerifierKey,
} from '../../daemon/proof/mod.ts';
import { sampleFrame, sampleSession } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const session = 'abcd2345';
const day = 86_400_000;
const start = 1_700_000_000_000;

interface Place {
  readonly audit: Audit;
  readonly database: string;
  readonly journal: string;
  time: number;
  /** Journals so many records, one an hour. */
  readonly write: (count: number, more?: (seq: number) => Partial<SessionRecord>) => Promise<void>;
  readonly verify: () => Promise<VerifyResult>;
}

function place(t: Test): Place {
  const database = join(temporaryDirectory(t), 'cordon.db');
  const journal = `${database}.journal`;
  const made: { time: number } = { time: start };
  const audit = openAudit(database, { now: () => made.time });
  t.teardown(() => audit.close());
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  let seq = 0;
  const write = async (
    count: number,
    more: (seq: number) => Partial<SessionRecord> = () => ({}),
  ): Promise<void> => {
    const frames = Array.from({ length: count }, () => {
      seq += 1;
      return sampleFrame(session, seq, {
        operation: 'read',
        time: start + (seq * day) / 24,
        ...more(seq),
      });
    });
    writeFileSync(journal, Buffer.concat(frames), { flag: 'a' });
    await audit.spool.drain(session);
    audit.checkpoint();
  };
  const verify = (): Promise<VerifyResult> => {
    audit.checkpoint();
    const { publicKey } = softwareSigner(`${database}.key`);
    return verifyDatabase({ database, publicKey, witnesses: [] }, () => undefined);
  };
  return Object.assign(made, { audit, database, journal, write, verify });
}

const everything = (audit: Audit): ReturnType<Audit['entries']> => audit.entries({ after: -1, limit: 1e6 });
const gone = (audit: Audit): number[] =>
  everything(audit)
    .filter(({ text }) => text === undefined)
    .map(({ position }) => position);
const gaps = (audit: Audit): SessionRecord[] =>
  everything(audit)
    .filter(({ class: each, text }) => each === 'gap' && text !== undefined)
    .map(({ text }) => recordOf(text ?? ''));
function pruneAll(audit: Audit, policy: RetentionSettings, sinks: readonly string[] = []): number {
  let pruned = 0;
  for (let step = audit.prune(policy, sinks); step.pruned > 0; step = audit.prune(policy, sinks))
    pruned += step.pruned;
  return pruned;
}

t.test('events go by their age and class, say so in the log, and stay provable', async (t) => {
  const p = place(t);
  await p.write(240);
  p.time = start + 9 * day;
  const policy: RetentionSettings = { keep: { read: 2 * day, default: 5 * day }, whenFull: 'deny' };
  t.equal(p.audit.prune(policy, ['siem']).pruned, 0, 'not before the sink has them');
  p.audit.acknowledge('siem', 100);
  pruneAll(p.audit, policy, ['siem']);
  t.equal(Math.max(...gone(p.audit)), 100);
  p.audit.acknowledge('siem', 239);
  pruneAll(p.audit, policy, ['siem']);
  const classes = new Map(everything(p.audit).map((each) => [each.position, each.class]));
  // A record an hour: five days are 96 to 9 * 24 back, two days 168.
  for (const { position, text, class: each } of everything(p.audit).slice(0, 240)) {
    const hours = each === 'read' ? 7 * 24 : 4 * 24;
    t.equal(text === undefined, position + 1 < hours, `${each} ${position}`);
  }
  const said = gaps(p.audit);
  t.equal(
    said.reduce((sum, { count = 0 }) => sum + count, 0),
    gone(p.audit).length,
    'all of them',
  );
  t.match(said[0], { reason: /kept for \d days/, detail: { lastHash: /^[0-9a-f]{64}$/ } });
  t.ok(gone(p.audit).some((position) => classes.get(position) === 'denial'));
  t.match(await p.verify(), { ok: true, problems: [], pruned: gone(p.audit).length });

  const answer = p.audit.inclusion(`${session}-1`);
  const { size, root } = parseCheckpoint(
    openNote(answer?.checkpoint ?? '', [parseVerifierKey(p.audit.verifierKey())]).text,
  );
  const hash = (text = ''): string => hashFromBase64(text) ?? '';
  t.equal(answer?.event, undefined);
  t.ok(
    holdsInclusion({
      leaf: hash(answer?.leaf),
      index: 0,
      size,
      root,
      proof: (answer?.proof ?? []).map(hash),
    }),
  );
  t.equal(p.audit.spool.byId(`${session}-1`), undefined, 'readers do not see it any more');
  t.ok(p.audit.spool.byId(`${session}-240`));
});

t.test('what was pruned is not walked over again at each step', async (t) => {
  const p = place(t);
  await p.write(240);
  p.time = start + 9 * day;
  const database = new Sqlite(p.database, { readonly: true });
  t.teardown(() => database.close());
  const looked = database.prepare<[string], string>('SELECT value FROM settings WHERE name = ?').pluck();
  pruneAll(p.audit, { keep: { default: 2 * day }, whenFull: 'deny' });
  const last = Math.max(...gone(p.audit));
  t.ok(last > 100);
  // Nothing of what is left is that old: where it begins is remembered all the same.
  pruneAll(p.audit, { keep: { default: 5 * day }, whenFull: 'deny' });
  t.equal(Number(looked.get(`retention.aged.${5 * day}`)), last);
});

t.test('a class that is given the span of another goes as well', async (t) => {
  const p = place(t);
  await p.write(240);
  p.time = start + 50 * day;
  const keep = 2 * day;
  pruneAll(p.audit, { keep: { read: keep }, whenFull: 'deny' });
  const denials = (): number =>
    everything(p.audit).filter(({ class: each, text }) => each === 'denial' && text !== undefined).length;
  t.equal(denials(), 80, 'nothing was said of them');
  pruneAll(p.audit, { keep: { read: keep, denial: keep }, whenFull: 'deny' });
  t.equal(denials(), 0);
  t.match(await p.verify(), { ok: true });
});

t.test(
  'a clock that jumps a year ahead or back loses nothing that policy keeps, and stops nothing',
  async (t) => {
    const p = place(t);
    const policy: RetentionSettings = { keep: { default: 30 * day }, whenFull: 'deny' };
    await p.write(50);
    await p.write(50, () => ({ time: start + 365 * day }));
    await p.write(50);
    p.time = start - 365 * day;
    t.equal(pruneAll(p.audit, policy), 0);
    p.time = start + 40 * day;
    t.equal(pruneAll(p.audit, policy), 100, 'those dated in the future stay');
    t.match(await p.verify(), { ok: true });
  },
);

const long = (): Partial<SessionRecord> => ({ reason: 'x'.repeat(4000) });

t.test('when room ends, what is uploaded goes first, then allowed reads, then policy denies', async (t) => {
  const p = place(t);
  await p.write(600, long);
  const size = 1_500_000;
  const policy: RetentionSettings = { keep: {}, size, whenFull: 'deny' };
  p.audit.acknowledge('siem', 99);
  pruneAll(p.audit, policy, ['siem']);
  const before = gone(p.audit);
  t.strictSame(
    before.slice(0, 100),
    Array.from({ length: 100 }, (_, i) => i),
    'all that is uploaded',
  );
  const reads = new Set(
    everything(p.audit)
      .filter(({ class: each }) => each === 'read')
      .map(({ position }) => position),
  );
  t.ok(
    before.slice(100).length > 100 && before.slice(100).every((position) => reads.has(position)),
    'then reads',
  );
  const summary = gaps(p.audit).find(({ detail }) => detail?.['read'] !== undefined);
  t.match(summary, { detail: { objects: Number, read: [/^1 \/home\/user\/file-/] } });

  await p.write(600, (seq) => ({ ...long(), disposition: 'denied', seq }));
  while (p.audit.prune(policy, ['siem']).pruned > 0);
  t.match(p.audit.prune(policy, ['siem']).full, /are allowed/);
  t.throws(() => p.audit.spool.mustTake(), { code: 'limit' });
  const { size: entries } = p.audit.head();
  await p.write(10, long);
  t.equal(p.audit.head().size, entries, 'the journal waits');
  await t.rejects(p.audit.spool.finish(session), { code: 'limit' });
  t.ok(existsSync(p.journal), 'and is not deleted');

  p.audit.acknowledge('siem', entries - 1);
  pruneAll(p.audit, policy, ['siem']);
  await p.audit.spool.finish(session);
  t.notOk(existsSync(p.journal));
  t.ok(p.audit.spool.byId(`${session}-1210`), 'what waited is there');
  t.match(await p.verify(), { ok: true, problems: [] });
});

t.test('policy may say that the oldest go although nobody has them', async (t) => {
  const p = place(t);
  await p.write(600, (seq) => ({ ...long(), disposition: 'denied', seq }));
  const policy: RetentionSettings = { keep: {}, size: 1_500_000, whenFull: 'overwrite' };
  t.ok(pruneAll(p.audit, policy, ['siem']) > 100);
  t.equal(p.audit.prune(policy, ['siem']).full, undefined);
  t.match(gaps(p.audit)[0], { reason: /no sink has them yet/ });
  t.match(await p.verify(), { ok: true });
});

t.test('a gap record that is made up or taken away is found', async (t) => {
  const p = place(t);
  await p.write(100);
  p.time = start + 50 * day;
  pruneAll(p.audit, { keep: { default: day }, whenFull: 'deny' });
  p.audit.close();
  const change = async (sql: string): Promise<string[]> => {
    const db = new Sqlite(p.database);
    db.exec(`BEGIN; ${sql}`);
    db.exec('COMMIT');
    db.close();
    const { publicKey } = softwareSigner(`${p.database}.key`);
    const result = await verifyDatabase({ database: p.database, publicKey, witnesses: [] }, () => undefined);
    return result.problems.map(({ kind, from, to }) => `${kind} ${from}-${to}`);
  };
  t.strictSame(await change('SELECT 1'), []);
  const more = await change(
    `UPDATE entries SET event = replace(event, '"0-99"', '"0-98"') WHERE class = 'gap'`,
  );
  t.ok(
    more.includes('deletion 99-99') && more.includes('gap 100-100') && more.includes('edit 100-100'),
    more.join(),
  );
  t.strictSame(await change(`UPDATE entries SET event = NULL WHERE class = 'gap'`), ['deletion 0-100']);
});
