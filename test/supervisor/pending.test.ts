// Executions that were judged and not yet compared are kept, up to a bound: beyond it nothing more is executed.
import t from 'tap';
import { decide } from '../../daemon/monitor/mod.ts';
import type { BytePath, Journal, NewRecord, SessionRecord } from '../../daemon/model/mod.ts';
import { ExecMediator, type ExecCall } from '../../daemon/supervisor/exec.ts';
import type { Mediation } from '../../daemon/supervisor/mediation.ts';

const bound = 4096;
const firstPid = 1000;

interface Stage {
  readonly exec: ExecMediator;
  readonly records: SessionRecord[];
  /** Processes that live. */
  readonly living: Set<number>;
}

/** A MOCK of everything around ExecMediator: thousands of processes that hold still between two system calls. */
function stage(mode: Mediation['mode'] = 'enforce'): Stage {
  const records: SessionRecord[] = [];
  const living = new Set<number>();
  const journal: Journal = {
    append: (record: NewRecord) => {
      const whole = { ...record, id: `s-${records.length}`, session: 's', seq: records.length, time: 0 };
      records.push(whole as SessionRecord);
      return whole as SessionRecord;
    },
    complete: () => undefined,
  };
  const image = {
    fd: 3,
    path: '/usr/bin/program' as BytePath,
    stat: { dev: 1, ino: 2, nlink: 1, mode: 0o100755 },
  };
  const allow = {
    effect: 'allow',
    rule: { id: 'r', source: {}, never: false },
    reason: 'granted',
    obligations: [],
  };
  const m = {
    mode,
    journal,
    decide,
    proc: 4,
    never: new Set(),
    neverExec: new Set(),
    resolver: { object: () => image, close: () => undefined },
    decider: { exec: () => allow },
    joinCgroup: () => true,
    images: { of: () => undefined },
    files: { fstatat: (_fd: number, pid: string) => (living.has(Number(pid)) ? {} : undefined) },
    reader: {
      leaderOf: (pid: number) => pid,
      brief: (pid: number) => ({ pid }),
      tree: () => [],
      image: () => image.path,
      commandLine: () => ['program'],
    },
  };
  return { exec: new ExecMediator(m as unknown as Mediation), records, living };
}

const call = (pid: number): ExecCall => ({
  pid,
  dirfd: -100,
  path: '/usr/bin/program',
  flags: 0,
  argv: ['program'],
});

/** As many processes as may wait to be compared have called execve(2). */
function crowd(of: Stage): void {
  for (let pid = firstPid; pid < firstPid + bound; pid++) {
    of.living.add(pid);
    of.exec.exec(call(pid));
  }
}

t.test(
  `of ${bound} executions that are not compared yet, each is let through; the next is refused, on record`,
  async (t) => {
    const full = stage();
    crowd(full);
    t.equal(full.records.filter(({ disposition }) => disposition === 'allowed').length, bound);
    t.equal(full.exec.exec(call(1)).kind, 'fails');
    t.match(full.records.at(-1), {
      kind: 'exec',
      object: '/usr/bin/program',
      disposition: 'denied',
      rule: { id: 'builtin/exec-pending' },
      reason: new RegExp(`${bound} programs`),
    });
  },
);

t.test('it is refused in monitor mode too: what was judged could not be compared', async (t) => {
  const full = stage('monitor');
  crowd(full);
  t.equal(full.exec.exec(call(1)).kind, 'fails');
  t.equal(full.records.at(-1)?.disposition, 'denied');
});

t.test('one that was compared makes room for one', async (t) => {
  const full = stage();
  crowd(full);
  t.equal(full.exec.started(firstPid).kind, 'continues');
  t.equal(full.exec.exec(call(1)).kind, 'continues');
  full.living.add(1);
  t.equal(full.exec.exec(call(2)).kind, 'fails');
});

t.test('those that died before they were compared make room', async (t) => {
  const full = stage();
  crowd(full);
  full.living.delete(firstPid + 7);
  full.living.delete(firstPid + 8);
  t.same(
    [1, 2, 3].map((pid) => {
      full.living.add(pid);
      return full.exec.exec(call(pid)).kind;
    }),
    ['continues', 'continues', 'fails'],
  );
});
