// What the spool takes in: a journal of records, drained into the log as cordond does (read, parsed, made an event,
// hashed, chained, put into the tree, inserted, checkpoints signed), beside the floor: better-sqlite3 inserting texts of
// the same length into a table without index or hash, in transactions of the same size. Run:
//   bash daemon/scripts/node24.sh test/bench/spool.ts [records]
import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import Sqlite from 'better-sqlite3';
import { openAudit } from '../../daemon/audit/mod.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { sampleSession } from '../support/records.ts';

const session = 'abcd2345';
const count = Number(process.argv[2] ?? 500_000);

/** As a mediator writes them: a mutation, an exec (of a new process each time), a read, a denial in turn. */
function record(seq: number): SessionRecord {
  const turn = seq % 4;
  const exe = '/usr/bin/node';
  return {
    id: `${session}-${seq}`,
    session,
    seq,
    time: 1_764_000_000_000 + seq / 8,
    object: `/home/user/projects/example/src/module-${seq % 9973}/index.ts`,
    kind: turn === 1 ? 'exec' : 'file',
    operation: ['create', 'exec', 'open', 'write'][turn] ?? 'open',
    disposition: turn === 3 ? 'denied' : 'allowed',
    mode: 'enforce',
    generation: 3,
    layer: turn === 2 ? 'fanotify' : 'seccomp-notify',
    rule: {
      id: 'coding-agent/files[1]',
      source: { file: 'profiles/coding-agent.yaml', line: 9, key: 'files[1]' },
    },
    reason: 'files[1] allows write in ${workspace}',
    ...(turn === 0 ? { outcome: '0' } : {}),
    process: { pid: turn === 1 ? 5000 + seq : 4000 + (seq % 100), ppid: 4000, exe, comm: 'node' },
    ...(turn === 1 ? { detail: { argv: ['node', 'build.js', '--watch'] } } : {}),
    ...(turn === 3 ? { tree: [{ pid: 4000, ppid: 1, exe, comm: 'node' }] } : {}),
  };
}

function journalOf(path: string): void {
  let frames: Buffer[] = [];
  for (let seq = 1; seq <= count; seq++) {
    frames.push(encodeJournalFrame(JSON.stringify(record(seq))));
    if (frames.length < 5000 && seq < count) continue;
    appendFileSync(path, Buffer.concat(frames));
    frames = [];
  }
}

/** Since `began` (ms) and `cpu`: records a second, and processor time a record, which a busy machine does not change. */
function figures(began: number, cpu: NodeJS.CpuUsage): string {
  const took = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const rate = Math.round((count / took) * 1000).toLocaleString('en');
  return `${rate} records/s, ${((user + system) / count).toFixed(1)} µs of processor time each (${(system / count).toFixed(1)} of it the kernel's)`;
}
const megabytes = (path: string): string => `${Math.round(statSync(path).size / 1e6)} MB`;

/** Milliseconds between two times that the event loop came round, by a timer: a loop that goes round all the time takes a core from others. */
function longestTurn(): () => number {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  return () => {
    delay.disable();
    return delay.max / 1e6;
  };
}

async function spool(directory: string): Promise<number> {
  const journal = join(directory, 'journal');
  const database = join(directory, 'cordon.db');
  journalOf(journal);
  const audit = openAudit(database, { now: Date.now });
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  const cpu = process.cpuUsage();
  const own = process.threadCpuUsage();
  const began = performance.now();
  // As cordond does: batches, whatever else is waiting between them, and every quarter of a second the checkpoints.
  const turns = longestTurn();
  const tending = setInterval(() => audit.tend(), 250);
  await audit.spool.drain(session);
  clearInterval(tending);
  const longest = turns();
  audit.checkpoint();
  const text = figures(began, cpu);
  const { user, system } = process.threadCpuUsage(own);
  const [entry] = audit.entries({ after: -1, limit: 1 });
  const { size } = audit.head();
  audit.close();
  if (size !== count) throw new Error(`${size} of ${count} records are in the log`);
  const bytes = Buffer.byteLength(entry?.text ?? '');
  console.log(`spool: ${text} (${count} records, an event of ${bytes} bytes; ${megabytes(database)})`);
  console.log(`of that the thread that keeps the log: ${((user + system) / count).toFixed(1)} µs each`);
  console.log(`longest turn of the event loop: ${longest.toFixed(1)} ms`);
  return bytes;
}

function floor(directory: string, bytes: number): void {
  const db = new Sqlite(join(directory, 'floor.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.exec('CREATE TABLE records (position INTEGER PRIMARY KEY, event TEXT)');
  const insert = db.prepare('INSERT INTO records (event) VALUES (?)');
  const text = 'x'.repeat(bytes);
  const batch = db.transaction((size: number) => {
    for (let i = 0; i < size; i++) insert.run(text);
  });
  const cpu = process.cpuUsage();
  const began = performance.now();
  for (let done = 0; done < count; done += 2000) batch(Math.min(2000, count - done));
  console.log(`floor: ${figures(began, cpu)} (better-sqlite3 alone, texts of ${bytes} bytes)`);
  db.close();
}

const directory = mkdtempSync(join(tmpdir(), 'cordon-bench-'));
try {
  floor(directory, await spool(directory));
} finally {
  rmSync(directory, { recursive: true });
}
