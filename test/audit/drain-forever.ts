// Test process: drains one journal into a database again and again, until it is killed.
import { openAudit } from '../../daemon/audit/mod.ts';
import { sampleSession } from '../support/records.ts';

const [database, journal, session] = process.argv.slice(2) as [string, string, string];
const { spool, registry } = openAudit(database, { now: () => 1 });
if (!spool.open.includes(session)) {
  registry.add(sampleSession(session), journal);
  spool.register(session, journal);
}
process.stdout.write('draining\n');
setInterval(() => void spool.drain(session), 1);
