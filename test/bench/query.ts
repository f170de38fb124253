// How long the first page of `cordon audit query` takes with many records, and opening their database. Run:
//   bash daemon/scripts/node24.sh test/bench/query.ts [records] [file]
// Makes a database of that many records (10,000,000 when not given) in FILE (a temporary one when not given; one that is
// there is used again), then asks. Events, log, index and look-up are the daemon's.
// Ten million take 6 GB.
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Checkpoints } from '../../daemon/audit/checkpoints.ts';
import { openDatabase } from '../../daemon/audit/database.ts';
import { EntriesTable } from '../../daemon/audit/entries-table.ts';
import type { NewEntry } from '../../daemon/audit/log.ts';
import { startLog } from '../../daemon/audit/log-start.ts';
import { openAudit, softwareSigner } from '../../daemon/audit/mod.ts';
import { Search } from '../../daemon/audit/search.ts';
import type { SearchRequest } from '../../daemon/audit/search.ts';
import { Segments } from '../../daemon/audit/segments.ts';
import { classOf, eventText, ownOf, templateOf, termsOf, varyingOf } from '../../daemon/ocsf/mod.ts';
import type { EventTemplate } from '../../daemon/ocsf/mod.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { inSession } from '../ocsf/samples.ts';

const count = Number(process.argv[2] ?? 10_000_000);
const given = process.argv[3];
const directory = given === undefined ? mkdtempSync(join(tmpdir(), 'cordon-query-')) : '';
const file = given ?? join(directory, 'cordon.db');
const start = 1_760_000_000_000;
const sessions = 400;
const page = 100;

const dispositions = [
  'allowed',
  'allowed',
  'allowed',
  'allowed',
  'observed',
  'allowed',
  'allowed',
  'denied',
] as const;

/** Sessions follow one another, a few at a time; each works in a project of its own; rare things are rare. */
function recordAt(position: number): SessionRecord {
  const session = `s${Math.floor((position * sessions) / count)}x${position % 3}`;
  const mixed = Math.imul(position, 2654435761) >>> 0;
  const project = `/home/ada/work/project${mixed % 40}`;
  const common = {
    id: `${session}-${position}`,
    session,
    seq: position,
    time: start + position * 100.25,
    disposition: dispositions[mixed % 8] ?? 'allowed',
    mode: 'enforce',
    generation: 1,
    layer: 'decision',
    reason: 'a rule of the profile says so',
    process: { pid: 4711, exe: '/usr/bin/node', comm: 'node' },
  } as const;
  if (position % 1_000_003 === 500_000)
    return {
      ...common,
      kind: 'file',
      operation: 'read',
      object: '/home/ada/.ssh/id_ed25519',
      disposition: 'denied',
    };
  if (position % 10 === 0)
    return {
      ...common,
      kind: 'connect',
      operation: 'connect',
      object: `h${mixed % 500}.example.com:443`,
      object2: '192.0.2.7',
    };
  if (position % 10 === 1)
    return { ...common, kind: 'exec', operation: 'exec', object: `/usr/bin/tool${mixed % 200}` };
  const operation = position % 10 < 4 ? 'write' : 'read';
  return {
    ...common,
    kind: 'file',
    operation,
    object: `${project}/src/part${mixed % 2500}/file${(mixed >>> 8) % 20}.ts`,
  };
}

/** Through the log, as cordond appends: chain, tree and checkpoints are real, so that the same file can be verified. */
function fill(): void {
  const db = openDatabase(file);
  db.pragma('synchronous = OFF');
  const signer = softwareSigner(`${file}.key`);
  const headFile = `${file}.head`;
  const { log } = startLog({ db, signer, headFile, now: Date.now });
  const checkpoints = new Checkpoints(db, log, signer, headFile, Date.now);
  const segments = new Segments(db);
  const search = new Search(db, segments, new EntriesTable(db));
  while (search.catchUp());
  // A log that was left half full goes on where it ends.
  for (let from = log.size; from < count; from += 10_000) {
    const entries = Array.from({ length: Math.min(10_000, count - from) }, (_, i) => recordAt(from + i));
    log.commit(() => {
      for (const record of entries) log.append(entryOf(record));
    });
    checkpoints.sign();
    segments.take(
      entries.map((record) => ({ position: record.seq, time: record.time, terms: termsOf(record) })),
    );
    if (process.stderr.isTTY) process.stderr.write(`\r${from + 10_000} of ${count}`);
  }
  db.close();
}

/** Of records about files and executions that are alike, as the reader of journals finds them; of one session at a time. */
const templates = new Map<string, EventTemplate | undefined>();

function templateFor(record: SessionRecord): EventTemplate | undefined {
  if (record.kind !== 'file' && record.kind !== 'exec') return undefined;
  const { session, operation, disposition, time } = record;
  const key = [session, operation, disposition, Number.isInteger(time)].join();
  if (templates.size > 1000) templates.clear();
  if (!templates.has(key)) templates.set(key, templateOf(record, inSession));
  return templates.get(key);
}

function entryOf(record: SessionRecord): NewEntry {
  const template = templateFor(record);
  return {
    ...placeOf(record),
    template,
    text: template?.text(varyingOf(record)) ?? eventText(record, inSession, 'record'),
  };
}

const placeOf = (record: SessionRecord): Omit<NewEntry, 'text'> => ({
  stream: record.session,
  seq: record.seq,
  part: 0,
  settled: true,
  subject: record.session,
  time: record.time,
  class: classOf(record),
  disposition: record.disposition,
  own: ownOf(record),
});

const questions: readonly (readonly [string, SearchRequest])[] = [
  ['nothing asked: the newest', {}],
  ['an hour, half way back', { since: start + count * 50, until: start + count * 50 + 3_600_000 }],
  ['one session of 1,200', { session: 's7x1' }],
  ['class exec', { class: 'exec' }],
  ['class gap: there is none', { class: 'gap' }],
  ['verdict denied', { verdict: 'denied' }],
  ['a file asked for ten times in all', { path: '/home/ada/.ssh/id_ed25519' }],
  ['everything below a project', { path: '/home/ada/work/project7' }],
  ['a directory that is not there', { path: '/srv/nothing' }],
  ['one host of 250', { host: 'h76.example.com' }],
  ['a domain and what is below it', { host: 'example.com' }],
  ['a session and another one’s program: nothing', { session: 's7x1', host: 'nowhere.example.com' }],
  [
    'denials below a project, long ago',
    { class: 'denial', path: '/home/ada/work/project7', until: start + count * 10 },
  ],
];

function ask(search: Search, request: SearchRequest): number {
  let found = 0;
  for (const step of search.find(request)) {
    found += step.length;
    if (found >= page) break;
  }
  return Math.min(found, page);
}

/** What cordond does with its database before it answers the first request. */
function opened(): void {
  const before = process.memoryUsage.rss();
  const [from, cpu] = [performance.now(), process.cpuUsage()];
  const audit = openAudit(file, { now: Date.now });
  const took = performance.now() - from;
  const { user, system } = process.cpuUsage(cpu);
  while (audit.search.catchUp());
  let longest = 0;
  for (let step = performance.now(); audit.search.group(); step = performance.now())
    longest = Math.max(longest, performance.now() - step);
  const all = performance.now() - from;
  const grown = (process.memoryUsage.rss() - before) / 2 ** 20;
  console.log(
    `opened in ${took.toFixed(0)} ms (processor ${((user + system) / 1000).toFixed(0)} ms), its index whole after ${all.toFixed(0)} ms, ${grown.toFixed(0)} MiB`,
  );
  if (longest > 0) console.log(`longest step of making the groups of segments: ${longest.toFixed(1)} ms`);
  audit.close();
}

const there = given !== undefined && existsSync(given);
const began = performance.now();
fill();
const took = ((performance.now() - began) / 1000).toFixed(0);
const gigabytes = (statSync(file).size / 1e9).toFixed(1);
const of = `${count.toLocaleString('en')} records, ${gigabytes} GB`;
console.log(there ? `${of}, made before` : `${of}, made in ${took} s`);
opened();
console.log(`${'first page of'.padEnd(50)}   records   first ms   again ms   of it processor`);
for (const [title, request] of questions) {
  // A connection of its own: nothing is in SQLite's cache at the first time (the system's may hold what was read).
  const db = openDatabase(file);
  const search = new Search(db, new Segments(db), new EntriesTable(db));
  search.catchUp();
  const times = [0, 0].map(() => {
    const [from, cpu] = [performance.now(), process.cpuUsage()];
    const found = ask(search, request);
    const { user, system } = process.cpuUsage(cpu);
    return { found, ms: performance.now() - from, cpu: (user + system) / 1000 };
  });
  const [first, again] = times.map(({ ms }) => ms.toFixed(1).padStart(10));
  const cpu = times.map((each) => each.cpu.toFixed(0)).join('/');
  console.log(
    `${title.padEnd(50)} ${String(times[0]?.found).padStart(9)} ${first} ${again} ${cpu.padStart(17)}`,
  );
  db.close();
}
if (directory !== '') rmSync(directory, { recursive: true });
