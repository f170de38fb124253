// The number under which the threads of a session write its journal. They are given it before there is a journal:
// until then every record fails, and what cannot be recorded is not granted.
import { constants, openSync } from 'node:fs';
import { O, replaceDescriptor } from '../../native-bindings/linux/mod.ts';

/** A descriptor that takes nothing (O_PATH: write(2) is EBADF). */
export const journalPlace = (): number => openSync('/', O.PATH);

/** From now on, and at once for all threads, the descriptor is the journal at `path`, which is made. */
export function openJournal(place: number, path: string): void {
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW } = constants;
  replaceDescriptor(openSync(path, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW, 0o600), place);
}
