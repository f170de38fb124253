// The command of a session as its record has it: bounded as the arguments of every exec are, so that the record that a
// session began is there however long the command is.
import { toText } from '../model/mod.ts';

const MAX_WORDS = 256;
const MAX_BYTES = 16 * 1024;

export function commandLine(argv: readonly Uint8Array[]): string {
  const words: string[] = [];
  let room = MAX_BYTES;
  for (const word of argv) {
    if (words.length === MAX_WORDS || room <= 0) return `${words.join(' ')} …`;
    words.push(toText(Buffer.from(word.subarray(0, room)).toString('latin1')));
    if (word.length > room) return `${words.join(' ')}…`;
    room -= word.length + 1;
  }
  return words.join(' ');
}
