// The writing end of the session journal: one instance a thread, all on one O_APPEND descriptor, numbered from one
// shared counter. One write(2) a record, before the system call is answered; no fsync in the path.
import { crc32 } from 'node:zlib';
import { Appender, errnoName } from '../../native-bindings/linux/mod.ts';
import type { Journal, Mode, NewRecord, SessionRecord } from '../model/mod.ts';
import { RecordBytes } from './record-bytes.ts';
import { recordText } from './record-text.ts';

/** Shared between the threads of a session: 64-bit words. */
export const SHARED = {
  seq: 0,
  denied: 1,
  failed: 2,
  unrecorded: 3,
  /** Of the last write that failed, in whichever thread; `TOO_LONG` for none of the kernel's. */
  errno: 4,
  /** Whose turn it is: see remembering.ts. */
  remembering: 5,
  words: 8,
} as const;

/** Something was recorded, or could not be. Whose turn it is is no record. */
export const isWrittenTo = (shared: SharedArrayBuffer): boolean =>
  new BigInt64Array(shared, 0, SHARED.remembering).some((count) => count !== 0n);

export interface JournalState {
  readonly fd: number;
  readonly session: string;
  readonly shared: SharedArrayBuffer;
}

const HEADER = 8;
const TOO_LONG = 0;
const whyOf = (errno: number): string => (errno === TOO_LONG ? 'record too long' : errnoName(errno));
/** Records in one write(2) at most, when many are written at once. */
const CHUNK = 64;
/** Characters of a record at most, which nothing that is recorded reaches: paths have 4 KiB, argv is bounded by its reader. */
const MAX_JSON = 256 * 1024;
/** The same as bytes; more than that a reader of journals would take for damage. */
const MAX_BYTES = MAX_JSON * 3;

export class JournalWriter implements Journal {
  private readonly state: JournalState;
  private readonly appender: Appender;
  private readonly counters: BigInt64Array;
  /** The same, as 32-bit words: the lower half of each comes first. */
  private readonly halves: Int32Array;
  private readonly clock: () => number;
  private readonly bytes: RecordBytes;
  mode: Mode;
  generation: number;
  /** Why the last append failed; '' when it worked. */
  failure = '';

  constructor(state: JournalState, mode: Mode, generation: number, clock: () => number = Date.now) {
    this.state = state;
    this.appender = new Appender(state.fd);
    this.bytes = new RecordBytes(state.session);
    this.counters = new BigInt64Array(state.shared);
    this.halves = new Int32Array(state.shared);
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
      Atomics.add(this.counters, SHARED.unrecorded, 1n);
      return undefined;
    }
    this.reportLost();
    this.count(record);
    return whole;
  }

  /** Copied first, then added to: a copy with nothing before it is made in one piece. */
  private numbered(record: NewRecord, seq: number): SessionRecord {
    const { session } = this.state;
    const whole = { ...record } as { -readonly [K in keyof SessionRecord]: SessionRecord[K] };
    whole.id = `${session}-${seq}`;
    whole.session = session;
    whole.seq = seq;
    whole.time = this.clock();
    whole.mode = this.mode;
    whole.generation = record.generation ?? this.generation;
    return whole;
  }

  private count({ disposition }: NewRecord): void {
    if (disposition === 'denied' || disposition === 'would-deny')
      Atomics.add(this.counters, SHARED.denied, 1n);
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
    const whole = chunk.map((record, i) => this.numbered(record, seq + 1 + i));
    if (this.put(this.frames(whole), chunk.length)) {
      for (const record of chunk) this.count(record);
      this.reportLost();
    } else Atomics.compareExchange(this.counters, SHARED.seq, BigInt(seq) + count, BigInt(seq));
    return first + chunk.length;
  }

  /** Puts them into the buffer, one after another; returns the end. */
  private frames(records: readonly SessionRecord[]): number {
    let end = 0;
    for (const record of records) {
      const start = end;
      end = this.bytes.write(record, this.appender.buffer(0), start + HEADER);
      if (end < 0) return this.longFrames(records);
      this.framed(start, end, this.bytes.checksum);
    }
    return end;
  }

  /** When there might be too little room. */
  private longFrames(records: readonly SessionRecord[]): number {
    let end = 0;
    const texts = records.map(recordText);
    const buffer = this.appender.buffer(texts.reduce((sum, { length }) => sum + length * 3 + HEADER, 0));
    for (const text of texts) end = this.encode(buffer, end, text);
    return end;
  }

  /** Once records can be written again, one of them says how many could not be. */
  private reportLost(): void {
    // Of the whole number the lower half, which is looked at without making a BigInt.
    if (Atomics.load(this.halves, SHARED.failed * 2) === 0) return;
    const lost = Number(Atomics.exchange(this.counters, SHARED.failed, 0n));
    if (lost > 0) this.append(lostRecord(lost, whyOf(Number(Atomics.load(this.counters, SHARED.errno)))));
  }

  complete(record: SessionRecord, outcome: string, facts: Partial<NewRecord> = {}): void {
    this.write({ ...record, ...facts, outcome });
  }

  private write(record: SessionRecord): boolean {
    const end = this.bytes.write(record, this.appender.buffer(0), HEADER);
    if (end < 0 || end - HEADER > MAX_BYTES) return this.writeText(record);
    return this.put(this.framed(0, end, this.bytes.checksum), 1);
  }

  /** One that is too long goes without what is beside its point: an action that was decided must be on record. */
  private writeText(record: SessionRecord): boolean {
    const whole = recordText(record);
    const text = whole.length <= MAX_JSON ? whole : recordText(shortened(record));
    if (text.length > MAX_JSON) return this.failed(TOO_LONG);
    const buffer = this.appender.buffer(HEADER + text.length * 3);
    return this.put(this.encode(buffer, 0, text), 1);
  }

  /** One frame at `start`; returns its end. */
  private encode(buffer: Buffer, start: number, json: string): number {
    const end = start + HEADER + buffer.utf8Write(json, start + HEADER);
    return this.framed(start, end, crc32(buffer.subarray(start + HEADER, end)));
  }

  /** Writes the header of a payload that is there. */
  private framed(start: number, end: number, checksum: number): number {
    const { view } = this.appender;
    view.setUint32(start, end - start - HEADER, true);
    view.setUint32(start + 4, checksum, true);
    return end;
  }

  /** One write(2) of the first `size` bytes of the buffer, which are `records` whole frames. */
  private put(size: number, records: number): boolean {
    const result = this.appender.append(size);
    if (result < 0) return this.failed(-result, records);
    this.failure = '';
    return true;
  }

  private failed(errno: number, records = 1): false {
    this.failure = whyOf(errno);
    Atomics.store(this.counters, SHARED.errno, BigInt(errno));
    Atomics.add(this.counters, SHARED.failed, BigInt(records));
    return false;
  }
}

type Fact = NonNullable<SessionRecord['detail']>[string];
const isShort = (fact: Fact): boolean => typeof fact !== 'object' && String(fact).length <= 1024;

/** Without its ancestors, and lists and long texts among its facts. */
function shortened(record: SessionRecord): SessionRecord {
  const facts = Object.entries(record.detail ?? {}).filter(([, fact]) => isShort(fact));
  const detail = { ...Object.fromEntries(facts), shortened: true };
  const short: { -readonly [K in keyof SessionRecord]: SessionRecord[K] } = { ...record, detail };
  delete short.tree;
  return short;
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
