import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { sampleRecord } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const drainer = fileURLToPath(new URL('./drain-forever.ts', import.meta.url));
const session = 'abcd2345';

t.test('however often the drainer is killed, every record arrives exactly once', async (t) => {
  const directory = temporaryDirectory(t);
  const journal = join(directory, 'j');
  const database = join(directory, 'cordon.db');
  let seq = 0;
  const write = (count: number): void => {
    for (let i = 0; i < count; i++) {
      seq += 1;
      const bytes = encodeJournalFrame(JSON.stringify(sampleRecord(session, seq)));
      // In two writes now and then, as a reader might catch a writer.
      appendFileSync(journal, bytes.subarray(0, seq % 5));
      appendFileSync(journal, bytes.subarray(seq % 5));
    }
  };
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [drainer, database, journal, session], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    write(300);
    await once(child.stdout, 'data');
    for (let i = 0; i < 10 + round * 7; i++) {
      write(40);
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const audit = openAudit(database, { now: () => 1 });
  t.teardown(() => audit.close());
  const { spool } = audit;
  await spool.finish(session);
  const found = spool.find({ limit: 100_000 }).map(({ json }) => (JSON.parse(json) as { seq: number }).seq);
  t.strictSame(
    found,
    Array.from({ length: seq }, (_, i) => i + 1),
  );
});
