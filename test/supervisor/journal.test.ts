import t, { type Test } from 'tap';
import { spawnSync } from 'node:child_process';
import { constants, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NewRecord, SessionRecord } from '../../daemon/model/mod.ts';
import { JournalWriter, SHARED } from '../../daemon/supervisor/mod.ts';
import { decodeJournal } from '../../daemon/wire/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { notRoot } from '../support/user.ts';

const record = (object: string): NewRecord => ({
  kind: 'file',
  operation: 'write',
  object,
  disposition: 'allowed',
  layer: 'decision',
  reason: 'a test',
});

interface Journals {
  readonly file: string;
  readonly shared: SharedArrayBuffer;
  writer(): JournalWriter;
  read(): SessionRecord[];
}

function journalIn(directory: string): Journals {
  const file = join(directory, 's.journal');
  const shared = new SharedArrayBuffer(8 * SHARED.words);
  const fd = openSync(file, constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY, 0o600);
  return {
    file,
    shared,
    writer: () => new JournalWriter({ fd, session: 's', shared }, 'enforce', 1, () => 7),
    read: () =>
      decodeJournal(readFileSync(file), { final: true }).records.map(
        (json) => JSON.parse(json) as SessionRecord,
      ),
  };
}

/** A file system of 64 KiB, gone when the test ends. */
function tinyDisk(t: Test): string {
  const directory = temporaryDirectory({
    teardown: (f) => t.teardown(() => void (spawnSync('umount', ['--lazy', directory]), f())),
  });
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tiny', directory], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  return directory;
}

t.test('two writers on one journal number their records without a hole', async (t) => {
  const journal = journalIn(temporaryDirectory(t));
  const [one, two] = [journal.writer(), journal.writer()];
  for (let i = 0; i < 50; i++) (i % 3 === 0 ? one : two).append(record(`/f${i}`));
  t.same(
    journal.read().map((r) => r.seq),
    Array.from({ length: 50 }, (_, i) => i + 1),
  );
});

t.test('many at once are whole records, numbered on', async (t) => {
  const journal = journalIn(temporaryDirectory(t));
  const [one, two] = [journal.writer(), journal.writer()];
  one.append(record('/first'));
  two.appendAll(Array.from({ length: 300 }, (_, i) => record(`/é${i}`)));
  one.append(record('/last'));
  t.same(
    journal.read().map(({ seq, object }) => [seq, object]),
    ['/first', ...Array.from({ length: 300 }, (_, i) => `/é${i}`), '/last'].map((o, i) => [i + 1, o]),
  );
  two.appendAll([1, 2, 3].map((i) => ({ ...record(`/no${i}`), disposition: i < 3 ? 'denied' : 'allowed' })));
  t.equal(Number(new BigInt64Array(journal.shared)[SHARED.denied]), 2);
});

t.test('a completed record supersedes the first with the same number', async (t) => {
  const journal = journalIn(temporaryDirectory(t));
  const writer = journal.writer();
  const first = writer.append(record('/f'));
  t.ok(first);
  if (first !== undefined) writer.complete(first, 'ENOENT');
  t.match(journal.read(), [
    { seq: 1, object: '/f' },
    { seq: 1, object: '/f', outcome: 'ENOENT' },
  ]);
});

t.test('names that are not UTF-8, and long ones, come back as they went in', async (t) => {
  const journal = journalIn(temporaryDirectory(t));
  const long = `/${'é\u{1F600}'.repeat(20_000)}`;
  journal.writer().append(record(long));
  t.equal(journal.read()[0]?.object, long);
});

t.test('a record that is too long is refused, not cut', async (t) => {
  const journal = journalIn(temporaryDirectory(t));
  const writer = journal.writer();
  t.equal(writer.append(record('x'.repeat(300 * 1024))), undefined);
  t.match(writer.failure, /too long/);
  // A long one that is not too long makes room, which the next, too long one then finds.
  t.ok(writer.append(record('é'.repeat(250 * 1024))));
  t.equal(writer.append({ ...record('/x'), reason: '\u20ac'.repeat(400 * 1024) }), undefined);
  t.match(writer.failure, /too long/);
  t.ok(writer.append(record('/after')));
  t.same(
    journal.read().map(({ operation }) => operation === 'journal'),
    [false, true, false, true],
    'all can be read, and what was refused is told',
  );
});

t.test(
  'a full disk refuses records, and says so once there is space again',
  { skip: notRoot() ?? false },
  async (t) => {
    const disk = tinyDisk(t);
    const journal = journalIn(disk);
    const filler = join(disk, 'filler');
    const writer = journal.writer();
    t.ok(writer.append(record('/before')));
    writeFileSync(filler, Buffer.alloc(56 * 1024));
    let written = 0;
    while (writer.append(record(`/f${written}`)) !== undefined) written++;
    t.equal(writer.append(record('/refused')), undefined, 'and again');
    t.match(writer.failure, /ENOSPC/);
    truncateSync(filler, 0);
    t.ok(journal.writer().append(record('/after')), 'another thread of the session meets the space first');
    const records = journal.read();
    t.equal(records.length, 1 + written + 2, 'nothing that was written is lost');
    t.match(records.at(-2), { object: '/after' });
    t.match(records.at(-1), { operation: 'journal', layer: 'journal', count: 2, reason: /ENOSPC.*refused/ });
    t.same(
      records.map((r) => r.seq),
      records.map((_, i) => i + 1),
      'numbers have no hole',
    );
  },
);

t.test('a denial with long names around it is on record, without what does not fit', async (t) => {
  const journal = journalIn(temporaryDirectory(t));
  const writer = journal.writer();
  const exe = '\\xff'.repeat(4096);
  const tree = Array.from({ length: 16 }, (_, i) => ({ pid: 2 + i, exe }));
  const argv = Array.from({ length: 8 }, () => 'a'.repeat(2000));
  const written = writer.append({
    ...record('/f'),
    disposition: 'denied',
    tree,
    detail: { argv, sha256: 'd', long: exe },
  });
  t.ok(written, writer.failure);
  if (written !== undefined) writer.complete(written, 'EACCES');
  const seen = journal.read();
  t.strictSame(
    seen.map(({ seq, outcome, disposition, tree: kept }) => [seq, outcome, disposition, kept]),
    [
      [1, undefined, 'denied', undefined],
      [1, 'EACCES', 'denied', undefined],
    ],
  );
  t.strictSame(seen[0]?.detail, { sha256: 'd', shortened: true });
});
