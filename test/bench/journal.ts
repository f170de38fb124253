// What one record costs a mediator: made, numbered, written to the session's journal with one write(2), beside the
// floor: that write(2) alone, of the same bytes. Once with a process that goes on doing the same, once with another
// process each time. Run:
//   bash daemon/scripts/node24.sh test/bench/journal.ts
import { closeSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewRecord } from '../../daemon/model/mod.ts';
import { JournalWriter, SHARED } from '../../daemon/supervisor/mod.ts';
import { Appender } from '../../native-bindings/linux/mod.ts';

const count = 200_000;
const rounds = 5;
const record: NewRecord = {
  kind: 'file',
  operation: 'create',
  object: '/home/user/projects/example/src/module/index.ts',
  disposition: 'allowed',
  layer: 'seccomp-notify',
  rule: {
    id: 'coding-agent/files[1]',
    source: { file: 'profiles/coding-agent.yaml', line: 9, key: 'files[1]' },
  },
  reason: 'files[1] allows write in ${workspace}',
  process: { pid: 4711, ppid: 4700, exe: '/usr/bin/node', comm: 'node' },
};

const directory = mkdtempSync(join(tmpdir(), 'cordon-bench-'));

/** Microseconds of processor time a call, the best of some rounds. */
function cost(work: (i: number) => void): string {
  let best = Infinity;
  let kernel = 0;
  for (let round = 0; round < rounds; round++) {
    const cpu = process.cpuUsage();
    for (let i = 0; i < count; i++) work(i);
    const { user, system } = process.cpuUsage(cpu);
    if (user + system >= best) continue;
    best = user + system;
    kernel = system;
  }
  return `${(best / count).toFixed(2)} µs of processor time a record, ${(kernel / count).toFixed(2)} of it the kernel's`;
}

try {
  const path = join(directory, 'journal');
  const fd = openSync(path, 'a', 0o600);
  const shared = new SharedArrayBuffer(SHARED.words * 8);
  const writer = new JournalWriter({ fd, session: 'abcd2345', shared }, 'enforce', 1);
  console.log(
    `journal, alike: ${cost((i) => void writer.append({ ...record, object: `/home/user/projects/example/src/module-${i}.ts` }))}`,
  );
  const { process: first } = record;
  const other = (i: number): NewRecord => ({ ...record, process: { ...first, pid: 4711 + i } });
  console.log(`journal, each by another process: ${cost((i) => void writer.append(other(i)))}`);
  const bytes = Math.round(statSync(path).size / (2 * count * rounds));
  closeSync(fd);
  const floorFd = openSync(join(directory, 'floor'), 'a', 0o600);
  const appender = new Appender(floorFd);
  appender.buffer(bytes).fill(0x20, 0, bytes);
  console.log(`floor (write(2) of ${bytes} bytes): ${cost(() => void appender.append(bytes))}`);
  closeSync(floorFd);
} finally {
  rmSync(directory, { recursive: true });
}
