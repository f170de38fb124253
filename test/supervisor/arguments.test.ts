// What an execve(2) was given, read from a process' memory: here from our own.
import fc from 'fast-check';
import t from 'tap';
import { Arena, processes } from '../../native-bindings/linux/mod.ts';
import { ExecMediator } from '../../daemon/supervisor/exec.ts';
import type { Mediation } from '../../daemon/supervisor/mediation.ts';

const memory = new processes.RemoteMemory();
const exec = new ExecMediator({ memory } as unknown as Mediation);
const arena = new Arena(1024 * 1024);
const listAt = 512 * 1024;
const read = (address: bigint): string[] | undefined => exec.readArguments(process.pid, Number(address));

/** Lays the list out from `offset` on, and returns its address. */
function lay(words: readonly string[], offset: number, list = listAt): bigint {
  let at = offset;
  for (const [i, word] of words.entries()) {
    arena.bytes.write(`${word}\0`, at, 'latin1');
    arena.view.setBigUint64(list + 8 * i, arena.at(at), true);
    at += word.length + 1;
  }
  arena.view.setBigUint64(list + 8 * words.length, 0n, true);
  return arena.at(list);
}

t.test('every list within the bounds is read whole', async (t) => {
  const word = fc.string({ unit: fc.constantFrom('a', '/', '-', ' ', '\xff'), maxLength: 900 });
  const property = fc.property(
    fc.array(word, { maxLength: 17 }),
    fc.nat(4096),
    fc.nat(4096),
    (words, offset, shift) => {
      t.strictSame(read(lay(words, offset, listAt + shift)), words);
    },
  );
  fc.assert(property, { numRuns: 300 });
  const many = Array.from({ length: 256 }, (_, i) => `${i}`);
  t.strictSame(read(lay(many, 0)), many, 'as many words as are read');
});

t.test('what exceeds the bounds is cut, and says so', async (t) => {
  const many = Array.from({ length: 300 }, (_, i) => `${i}`);
  t.strictSame(read(lay(many, 0)), [...many.slice(0, 256), '…']);
  const long = read(lay(['sh', '-c', 'x'.repeat(20_000)], 0));
  t.strictSame(long, ['sh', '-c', '…', '…']);
  const full = read(lay(['x'.repeat(16 * 1024), 'y'], 0));
  t.strictSame(full, ['x'.repeat(16 * 1024), '…']);
});

t.test('a list that cannot be read is none', async (t) => {
  t.equal(read(8n), undefined, 'the list');
  const list = lay(['sh', '-c', 'true'], 0);
  arena.view.setBigUint64(listAt + 8, 8n, true);
  t.equal(read(list), undefined, 'a word');
  t.strictSame(read(0n), [], 'NULL is an empty list');
  t.strictSame(read(lay([], 0)), []);
});
