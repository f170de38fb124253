// How fast a log is verified: leaf hashes, chain, tree, tiles and checkpoints of a database on the disk, by the threads
// that `cordon audit verify` uses; then the same while the journal is still there and is held against its entries. Run:
//   bash daemon/scripts/node24.sh test/bench/verify.ts [entries]
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit, softwareSigner } from '../../daemon/audit/mod.ts';
import { verifyDatabase } from '../../daemon/audit/verify/verify.ts';
import { sampleFrame, sampleSession } from '../support/records.ts';

const session = 'abcd2345';
const count = Number(process.argv[2] ?? 300_000);

/** `ended`: the session is over, and its journal gone. */
async function logOf(database: string, ended: boolean): Promise<void> {
  const journal = `${database}.journal`;
  const audit = openAudit(database, { now: Date.now });
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  for (let seq = 1; seq <= count;) {
    const frames: Buffer[] = [];
    for (let i = 0; i < 5000 && seq <= count; i++, seq++) frames.push(sampleFrame(session, seq));
    appendFileSync(journal, Buffer.concat(frames));
    await audit.spool.drain(session);
    audit.tend();
  }
  if (ended) await audit.spool.finish(session);
  audit.close();
}

async function measure(directory: string, ended: boolean): Promise<string> {
  const database = join(directory, ended ? 'ended.db' : 'running.db');
  await logOf(database, ended);
  const { publicKey } = softwareSigner(`${database}.key`);
  const cpu = process.cpuUsage();
  const began = performance.now();
  const { ok, entries } = await verifyDatabase({ database, publicKey, witnesses: [] }, () => undefined);
  const took = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  if (!ok || entries !== count) throw new Error('the log does not verify');
  const rate = Math.round((count / took) * 1000).toLocaleString('en');
  return `${rate} entries/s, ${((user + system) / count).toFixed(1)} µs of processor time each (${count} entries)`;
}

const directory = mkdtempSync(join(tmpdir(), 'cordon-bench-'));
try {
  console.log(`verify: ${await measure(directory, true)}`);
  console.log(`verify, with the journal of a session that runs: ${await measure(directory, false)}`);
} finally {
  rmSync(directory, { recursive: true });
}
