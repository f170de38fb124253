// How fast a log is verified: leaf hashes, chain, tree, tiles and checkpoints of a database on the disk, by the threads
// that `cordon audit verify` uses. Run:
//   bash daemon/scripts/node24.sh test/bench/verify.ts [entries]
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit, softwareSigner } from '../../daemon/audit/mod.ts';
import { verifyDatabase } from '../../daemon/audit/verify/verify.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { sampleRecord, sampleSession } from '../support/records.ts';

const session = 'abcd2345';
const count = Number(process.argv[2] ?? 300_000);

async function logOf(database: string): Promise<void> {
  const journal = `${database}.journal`;
  const audit = openAudit(database, { now: Date.now });
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  for (let seq = 1; seq <= count;) {
    const frames: Buffer[] = [];
    for (let i = 0; i < 5000 && seq <= count; i++, seq++)
      frames.push(encodeJournalFrame(JSON.stringify(sampleRecord(session, seq))));
    appendFileSync(journal, Buffer.concat(frames));
    await audit.spool.drain(session);
    audit.tend();
  }
  audit.close();
}

const directory = mkdtempSync(join(tmpdir(), 'cordon-bench-'));
try {
  const database = join(directory, 'cordon.db');
  await logOf(database);
  const { publicKey } = softwareSigner(`${database}.key`);
  const cpu = process.cpuUsage();
  const began = performance.now();
  const { ok, entries } = await verifyDatabase({ database, publicKey, witnesses: [] }, () => undefined);
  const took = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  if (!ok || entries !== count) throw new Error('the log does not verify');
  const rate = Math.round((count / took) * 1000).toLocaleString('en');
  console.log(
    `verify: ${rate} entries/s, ${((user + system) / count).toFixed(1)} µs of processor time each (${count} entries)`,
  );
} finally {
  rmSync(directory, { recursive: true });
}
