// The writing end of the session journal: one instance a thread, all on one O_APPEND descriptor, numbered from one
// shared counter. One write(2) a record, before the system call is answered; no fsync in the path.
import { crc32 } from 'node:zlib';
import { Appender, errnoName } from '../../native-bindings/linux/mod.ts';
import type { Journal, Mode, NewRecord, SessionRecord } from '../model/mod.ts';

/** Shared between the threads of a session: 64-bit words. */
export const SHARED = { seq: 0, denied: 1, bytes: 2, failed: 3, allowed: 4, words: 8 } as const;

export interface JournalState {
  readonly fd: number;
  readonly session: string;
  readonly shared: SharedArrayBuffer;
}

const HEADER = 8;
/** A record longer than this is cut in its long fields: paths are at most 4 KiB, argv is bounded by its reader. */
const MAX_JSON = 256 * 1024;

export class JournalWriter implements Journal {
  private readonly state: JournalState;
  private readonly appender: Appender;
  private readonly counters: BigInt64Array;
  private readonly clock: () => number;
  mode: Mode;
  generation: number;
  /** Why the last append failed; '' when it worked. */
  failure = '';
  private lastFailure = 'another thread met the error';

  constructor(state: JournalState, mode: Mode, generation: number, clock: () => number = Date.now) {
    this.state = state;
    this.appender = new Appender(state.fd);
    this.counters = new BigInt64Array(state.shared);
    this.mode = mode;
    this.generation = generation;
    this.clock = clock;
  }

  append(record: NewRecord): SessionRecord | undefined {
    const seq = Number(Atomics.add(this.counters, SHARED.seq, 1n)) + 1;
    const { session } = this.state;
    const whole: SessionRecord = {
      id: `${session}-${seq}`,
      session,
      seq,
      time: this.clock(),
      mode: this.mode,
      generation: this.generation,
      ...record,
    };
    if (!this.write(whole)) {
      // Gives the number back when nobody took the next one meanwhile, so that a full disk leaves no hole.
      Atomics.compareExchange(this.counters, SHARED.seq, BigInt(seq), BigInt(seq - 1));
      return undefined;
    }
    this.reportLost();
    const denied = record.disposition === 'denied' || record.disposition === 'would-deny';
    Atomics.add(this.counters, denied ? SHARED.denied : SHARED.allowed, 1n);
    return whole;
  }

  /** Once records can be written again, one of them says how many could not be. */
  private reportLost(): void {
    const lost = Number(Atomics.exchange(this.counters, SHARED.failed, 0n));
    if (lost > 0) this.append(lostRecord(lost, this.lastFailure));
  }

  complete(record: SessionRecord, outcome: string, facts: Partial<NewRecord> = {}): void {
    this.write({ ...record, ...facts, outcome });
  }

  private write(record: SessionRecord): boolean {
    const json = JSON.stringify(record);
    if (json.length > MAX_JSON) return this.failed('record too long');
    const buffer = this.appender.buffer(json.length * 3 + HEADER);
    const length = buffer.utf8Write(json, HEADER);
    buffer.writeUInt32LE(length, 0);
    buffer.writeUInt32LE(crc32(buffer.subarray(HEADER, HEADER + length)), 4);
    const result = this.appender.append(HEADER + length);
    if (result < 0) return this.failed(errnoName(-result));
    this.failure = '';
    Atomics.add(this.counters, SHARED.bytes, BigInt(HEADER + length));
    return true;
  }

  private failed(why: string): false {
    this.failure = why;
    this.lastFailure = why;
    Atomics.add(this.counters, SHARED.failed, 1n);
    return false;
  }
}

const lostRecord = (count: number, why: string): NewRecord => ({
  kind: 'session',
  operation: 'journal',
  object: `${count} records`,
  disposition: 'observed',
  layer: 'journal',
  reason: `could not be written to the journal (${why}): changes, connections and executions were refused meanwhile, allowed reads went on`,
  count,
});
