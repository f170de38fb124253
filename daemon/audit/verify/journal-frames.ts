// What a journal has, frame by frame, for the eye of `verify`: also what is between frames and none.
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { decodeJournal, maxJournalPayload } from '../../wire/mod.ts';
import type { JournalDamage } from '../../wire/mod.ts';

export interface Frame {
  /** In the file: where it ends. */
  readonly end: number;
  readonly text: string;
}

/** Where a frame begins in the file. */
export const offsetOf = ({ end, text }: Frame): number => end - 8 - Buffer.byteLength(text);

/** Any whole frame fits. */
const windowSize = maxJournalPayload + 8;

/** In their order, of the first `end` bytes of the file. */
export function* framesOf(path: string, end: number): Generator<Frame | JournalDamage> {
  if (end === 0) return;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const buffer = Buffer.allocUnsafeSlow(2 * windowSize);
  try {
    for (let at = 0; at < end;) {
      const length = readSync(fd, buffer, 0, Math.min(buffer.length, end - at), at);
      if (length === 0) return;
      const final = at + length >= end;
      let used = 0;
      while (used < length && (final || length - used > windowSize)) {
        const found = decodeJournal(buffer.subarray(used, length), { final, maxRecords: 1 });
        for (const damage of found.damage) yield { ...damage, offset: at + used + damage.offset };
        const [text] = found.records;
        if (text !== undefined) yield { end: at + used + found.consumed, text };
        if (found.consumed === 0) break;
        used += found.consumed;
      }
      // Nothing whole in all of it: given up as the reader of journals gives it up.
      at += used === 0 ? windowSize : used;
    }
  } finally {
    closeSync(fd);
  }
}
