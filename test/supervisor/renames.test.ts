// A file that comes to have a name that is not to be read: it has it while the kernel remembers nothing.
import t from 'tap';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Files, O } from '../../native-bindings/linux/mod.ts';
import { decide } from '../../daemon/monitor/mod.ts';
import type { BytePath, FileQuery, Journal, SessionRecord, Verdict } from '../../daemon/model/mod.ts';
import type { Mediation } from '../../daemon/supervisor/mediation.ts';
import { isWrittenTo, Remembering, SHARED } from '../../daemon/supervisor/mod.ts';
import { rename } from '../../daemon/supervisor/mutations.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const verdict = (effect: Verdict['effect']): Verdict => ({
  effect,
  rule: { id: 'r', source: { file: 'f', line: 1, key: 'k' }, never: false },
  reason: '',
  obligations: [],
});

/** A MOCK of the policy: everything is granted, but for reading what is called `sealed`. The files are real. */
function stage(directory: string) {
  const files = new Files();
  const fd = files.open(directory, O.PATH | O.DIRECTORY | O.CLOEXEC);
  let forgotten = 0;
  let asked = 0;
  const journal: Journal = {
    append: (record) => ({ ...record, id: 's-1', session: 's', seq: 1, time: 0 }) as SessionRecord,
    complete: () => undefined,
  };
  const slot = (_pid: number, _at: number, name: string) => ({
    fd,
    directory: directory as BytePath,
    name,
    path: join(directory, name) as BytePath,
  });
  const m = {
    files,
    journal,
    decide,
    mode: 'enforce',
    never: new Set(),
    workspace: directory,
    reader: { brief: (pid: number) => ({ pid }), tree: () => [] },
    resolver: { slot, close: () => undefined },
    decider: {
      file: ({ access, path }: FileQuery) =>
        verdict(access === 'read' && path.includes('/sealed') ? 'deny' : 'allow'),
      exec: () => verdict('allow'),
    },
    forgetReads: () => {
      forgotten++;
    },
    whileAllIsAsked: (effect: () => number) => {
      asked++;
      return effect();
    },
  };
  const move = (from: string, to: string) => {
    forgotten = asked = 0;
    const call = { pid: process.pid, operation: 'rename' };
    const answer = rename(m as unknown as Mediation, call, [-100, from], [-100, to], 0);
    return { answer, forgotten, asked };
  };
  return { move, close: () => files.close(fd) };
}

t.test('a name that is not read is made while all is asked about', (t) => {
  const directory = temporaryDirectory(t);
  for (const name of ['plain', 'sealed-1']) writeFileSync(join(directory, name), name);
  mkdirSync(join(directory, 'd'));
  const { move, close } = stage(directory);
  t.teardown(close);
  const done = { kind: 'returns', value: 0 };
  t.same(move('plain', 'other'), { answer: done, forgotten: 0, asked: 0 }, 'not when both names are read');
  t.same(move('other', 'sealed-2'), { answer: done, forgotten: 1, asked: 1 }, 'of what was read');
  t.same(move('sealed-1', 'sealed-3'), { answer: done, forgotten: 0, asked: 1 }, 'of what was not read');
  t.same(
    move('d', 'e'),
    { answer: done, forgotten: 1, asked: 0 },
    'what was read in a directory is forgotten',
  );
  t.end();
});

t.test('a directory is remembered, or a name is made: never both at a time', (t) => {
  const shared = new SharedArrayBuffer(8 * SHARED.words);
  const [one, other] = [new Remembering(shared), new Remembering(shared)];
  t.equal(
    one.make(() => other.teach(() => true)),
    false,
    'nothing is remembered meanwhile',
  );
  t.ok(other.teach(() => true));
  t.notOk(
    one.make(() => isWrittenTo(shared)),
    'for a launch that is prepared it is no record',
  );
  t.throws(() =>
    other.teach(() => {
      throw new Error('no');
    }),
  );
  t.equal(
    one.make(() => 7),
    7,
    'a turn ends however it ends',
  );
  new BigInt64Array(shared)[SHARED.seq] = 1n;
  t.ok(isWrittenTo(shared), 'what the journal counts is one');
  t.end();
});
