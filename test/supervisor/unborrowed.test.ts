// A connect or bind whose socket the mediator cannot look at is refused, and the refusal is on record.
import t from 'tap';
import { openSync } from 'node:fs';
import { Files } from '../../native-bindings/linux/mod.ts';
import { decide } from '../../daemon/monitor/mod.ts';
import type { Journal, NewRecord, SessionRecord } from '../../daemon/model/mod.ts';
import { mediateConnect } from '../../daemon/supervisor/network.ts';
import type { Mediation } from '../../daemon/supervisor/mediation.ts';
import { ProcessReader } from '../../daemon/supervisor/process-info.ts';
import { TaskHandles } from '../../daemon/supervisor/task-handles.ts';

const EBADF = 9;
const EACCES = 13;
/** sockaddr_in of 192.0.2.1:443. */
const address = Buffer.from([2, 0, 1, 187, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
/** No process has it: the greatest number is 2^22 (proc_sys_kernel(5), pid_max). */
const nobody = 2 ** 22 + 1;

function stage(): { m: Mediation; records: NewRecord[] } {
  const records: NewRecord[] = [];
  const proc = openSync('/proc', 'r');
  const files = new Files(proc);
  const journal: Journal = {
    append: (record) => {
      records.push(record);
      return { ...record, id: 's-1', session: 's', seq: 1, time: 0 } as SessionRecord;
    },
    complete: () => undefined,
  };
  const tasks = new TaskHandles();
  const m = { files, proc, tasks, reader: new ProcessReader(files, proc), journal, decide, mode: 'monitor' };
  return { m: m as unknown as Mediation, records };
}

t.test('a connect whose descriptor cannot be borrowed is refused, and recorded', async (t) => {
  const { m, records } = stage();
  t.same(mediateConnect(m, undefined, { pid: nobody, fd: 5, bytes: address }), {
    kind: 'fails',
    errno: EACCES,
  });
  t.match(records, [
    {
      kind: 'connect',
      operation: 'connect',
      object: '192.0.2.1:443',
      disposition: 'denied',
      reason: /could not be looked at \(ESRCH\)/,
    },
  ]);
});

t.test('a descriptor that the task does not have is the kernel’s answer, and no denial', async (t) => {
  const { m, records } = stage();
  t.same(mediateConnect(m, undefined, { pid: process.pid, fd: 1_000_000, bytes: address }), {
    kind: 'fails',
    errno: EBADF,
  });
  t.same(records, []);
});
