import { spawnSync } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { linesOf } from '../../daemon/cli/lines.ts';
import { session } from '../support/log-files.ts';
import { sampleFrame, sampleSession } from '../support/records.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const program = fileURLToPath(new URL('../../daemon/cli/main.ts', import.meta.url));

t.test('an export is sound whatever the names of files in it are', async (t) => {
  const directory = temporaryDirectory(t);
  const journal = join(directory, 'journal');
  const audit = openAudit(join(directory, 'cordon.db'), { now: () => 42 });
  t.teardown(() => audit.close());
  audit.registry.add(sampleSession(session), journal);
  audit.spool.register(session, journal);
  for (const [i, end] of ['\u2028', '\u2029', '\n', '\r', '\u0085'].entries())
    appendFileSync(journal, sampleFrame(session, i + 1, { object: `/tmp/a${end}b` }));
  await audit.spool.drain(session);
  const to = audit.head().size;
  const frame = audit.exportFrame({ from: 0, to, chosen: false, host: 'h' });
  const entries = audit.entries({ after: -1, limit: to }).map(frame.entry);
  const file = join(directory, 'export.jsonl');
  writeFileSync(file, [frame.header, ...entries, frame.trailer].map((line) => `${line}\n`).join(''));
  const args = ['audit', 'verify', '--file', file, '--key', audit.verifierKey(), '--json'];
  const ran = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], {
    encoding: 'utf8',
  });
  t.equal(ran.status, 0, ran.stderr);
  t.match(JSON.parse(ran.stdout || '{}'), { ok: true, entries: to });
});

t.test('lines end in newlines, wherever the pieces of a file end', async () => {
  const text = fc.array(fc.constantFrom('a', '\u2028', '\n', '\r\n', 'ä', ''), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 7 }), async (parts, size) => {
      const bytes = Buffer.from(parts.join(''));
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      const lines: string[] = [];
      for await (const line of linesOf(Readable.from(pieces, { objectMode: false }))) lines.push(line);
      const expected = parts.join('').split('\n');
      if (expected.at(-1) === '') expected.pop();
      t.strictSame(
        lines,
        expected.map((line) => line.replace(/\r$/, '')),
      );
    }),
    { numRuns: 100 },
  );
});
