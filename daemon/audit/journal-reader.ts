// One session's journal as the daemon sees it: a file that somebody else appends to. Reads bounded windows from a
// cursor; says what is whole, what is damaged, and where to go on. Holds no records.
import { closeSync, constants, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import { decodeJournal, maxJournalPayload } from '../wire/mod.ts';
import type { JournalDamage } from '../wire/mod.ts';

/** Any whole frame fits twice. */
const windowSize = 2 * (maxJournalPayload + 8);
/** Holds what a transaction takes, when records are of the usual size. */
const usualWindow = 512 * 1024;
/** Of one transaction: nobody else is served meanwhile. */
const maxRecords = 500;
let shared: Buffer | undefined;

export interface JournalWindow {
  readonly records: readonly string[];
  /** Offsets are those of the file. */
  readonly damage: readonly JournalDamage[];
  /** Where the next window begins. */
  readonly cursor: number;
  /** True when more may be had at once. */
  readonly more: boolean;
}

export class JournalReader {
  readonly path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** `final`: the writer is gone, an incomplete frame will not be completed. A file not there yet is empty. */
  read(cursor: number, final: boolean): JournalWindow {
    const fd = this.#open();
    const size = fd === undefined ? 0 : fstatSync(fd).size;
    if (fd === undefined || size === cursor) return { records: [], damage: [], cursor, more: false };
    if (size < cursor) return truncated(cursor, size);
    const usual = windowAt(fd, cursor, size, final, usualWindow);
    const whole = usual.cursor > cursor || size - cursor <= usualWindow;
    return whole ? usual : windowAt(fd, cursor, size, final, windowSize);
  }

  /** Bytes that are there now; 0 for a file not there yet. */
  size(): number {
    const fd = this.#open();
    return fd === undefined ? 0 : fstatSync(fd).size;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** After everything in it has been committed elsewhere. */
  delete(): void {
    this.close();
    try {
      unlinkSync(this.path);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  #open(): number | undefined {
    if (this.#fd !== undefined) return this.#fd;
    try {
      this.#fd = openSync(this.path, constants.O_RDONLY | constants.O_NOFOLLOW);
      return this.#fd;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

function windowAt(fd: number, cursor: number, size: number, final: boolean, most: number): JournalWindow {
  shared ??= Buffer.allocUnsafeSlow(windowSize);
  const length = readSync(fd, shared, 0, Math.min(most, size - cursor), cursor);
  const last = cursor + length >= size;
  return placed(cursor, length, last, decodeWindow(shared.subarray(0, length), final && last));
}

type Decoded = ReturnType<typeof decodeJournal>;

/** A window in which nothing whole was found is given up but for its last frame's worth. */
function decodeWindow(bytes: Buffer, final: boolean): Decoded {
  const chunk = decodeJournal(bytes, { final, maxRecords });
  if (chunk.consumed > 0 || bytes.length < windowSize) return chunk;
  const skipped = windowSize / 2;
  const damage = [{ offset: 0, length: skipped, reason: 'no whole frame was found' }];
  return { records: [], consumed: skipped, damage, torn: false };
}

function placed(cursor: number, length: number, last: boolean, chunk: Decoded): JournalWindow {
  return {
    records: chunk.records,
    damage: chunk.damage.map((d) => ({ ...d, offset: d.offset + cursor })),
    cursor: cursor + chunk.consumed,
    // A frame that the window cut is whole in the next one; one that the file ends in is not written yet.
    more: chunk.consumed > 0 && (!last || (chunk.consumed < length && !chunk.torn)),
  };
}

function truncated(cursor: number, size: number): JournalWindow {
  const reason = `the journal was ${cursor} bytes long and is now ${size}`;
  return { records: [], damage: [{ offset: size, length: 0, reason }], cursor: size, more: false };
}
