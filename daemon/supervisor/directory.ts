// Entries of a directory in the mediator's own tree, one after the other: how many there are is for the agent to say, so
// they are never all held.
import { opendirSync, type Dirent } from 'node:fs';

/** `path`: one char a byte. Throws when it cannot be listed, which denies. Names are one char a byte. */
export function* entriesOf(path: string): Generator<Dirent> {
  const directory = opendirSync(Buffer.from(path, 'latin1'), {
    encoding: 'latin1' as BufferEncoding,
    bufferSize: 256,
  });
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) yield entry;
  } finally {
    directory.closeSync();
  }
}
