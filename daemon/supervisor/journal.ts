// The writing end of the session journal: one instance a thread, all on one O_APPEND descriptor, numbered from one
// shared counter. One write(2) a record, before the system call is answered; no fsync in the path.
import { crc32 } from 'node:zlib';
import { Appender, errnoName } from '../../native-bindings/linux/mod.ts';
import type { Journal, Mode, NewRecord, SessionRecord } from '../model/mod.ts';
import { RecordTexts, recordText } from './record-text.ts';

/** Shared between the threads of a session: 64-bit words. */
export const SHARED = { seq: 0, denied: 1, bytes: 2, failed: 3, allowed: 4, words: 8 } as const;

export interface JournalState {
  readonly fd: number;
  readonly session: string;
  readonly shared: SharedArrayBuffer;
}

const HEADER = 8;
/** Records in one write(2) at most, when many are written at once. */
const CHUNK = 64;
/** A record longer than this is cut in its long fields: paths are at most 4 KiB, argv is bounded by its reader. */
const MAX_JSON = 256 * 1024;

export class JournalWriter implements Journal {
  private readonly state: JournalState;
  private readonly appender: Appender;
  private readonly counters: BigInt64Array;
  private readonly clock: () => number;
  private readonly texts = new RecordTexts();
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
    const whole = this.numbered(record, seq);
    if (!this.write(whole)) {
      // Gives the number back when nobody took the next one meanwhile, so that a full disk leaves no hole.
      Atomics.compareExchange(this.counters, SHARED.seq, BigInt(seq), BigInt(seq - 1));
      return undefined;
    }
    this.reportLost();
    this.count(record);
    return whole;
  }

  private numbered(record: NewRecord, seq: number): SessionRecord {
    const { session } = this.state;
    return {
      id: `${session}-${seq}`,
      session,
      seq,
      time: this.clock(),
      mode: this.mode,
      generation: this.generation,
      ...record,
    };
  }

  private count({ disposition }: NewRecord): void {
    const denied = disposition === 'denied' || disposition === 'would-deny';
    Atomics.add(this.counters, denied ? SHARED.denied : SHARED.allowed, 1n);
  }

  /** Records of what has happened already, and waits for nothing: many with one write(2). What cannot be written is counted as lost. */
  appendAll(records: readonly NewRecord[]): void {
    for (let next = 0; next < records.length;) next = this.appendSome(records, next);
  }

  /** From `first` on, as many as fit; returns the index of the one after. */
  private appendSome(records: readonly NewRecord[], first: number): number {
    const chunk = records.slice(first, first + CHUNK);
    const count = BigInt(chunk.length);
    const seq = Number(Atomics.add(this.counters, SHARED.seq, count));
    let end = 0;
    const texts = chunk.map((record, i) => recordText(this.numbered(record, seq + 1 + i)));
    const buffer = this.appender.buffer(texts.reduce((sum, { length }) => sum + length * 3 + HEADER, 0));
    for (const text of texts) end = encode(buffer, end, text);
    if (this.put(end, chunk.length)) {
      for (const record of chunk) this.count(record);
      this.reportLost();
    } else Atomics.compareExchange(this.counters, SHARED.seq, BigInt(seq) + count, BigInt(seq));
    return first + chunk.length;
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
    const [front, rest] = this.texts.of(record);
    const length = front.length + rest.length;
    if (length > MAX_JSON) return this.failed('record too long');
    const buffer = this.appender.buffer(length * 3 + HEADER);
    return this.put(encode(buffer, 0, front, rest), 1);
  }

  /** One write(2) of the first `size` bytes of the buffer, which are `records` whole frames. */
  private put(size: number, records: number): boolean {
    const result = this.appender.append(size);
    if (result < 0) return this.failed(errnoName(-result), records);
    this.failure = '';
    Atomics.add(this.counters, SHARED.bytes, BigInt(size));
    return true;
  }

  private failed(why: string, records = 1): false {
    this.failure = why;
    this.lastFailure = why;
    Atomics.add(this.counters, SHARED.failed, BigInt(records));
    return false;
  }
}

/** One frame at `start`, its payload in one part or two; returns its end. */
function encode(buffer: Buffer, start: number, json: string, rest = ''): number {
  const payload = start + HEADER;
  const first = buffer.utf8Write(json, payload);
  const length = first + buffer.utf8Write(rest, payload + first);
  buffer.writeUInt32LE(length, start);
  buffer.writeUInt32LE(crc32(buffer.subarray(payload, payload + length)), start + 4);
  return payload + length;
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
