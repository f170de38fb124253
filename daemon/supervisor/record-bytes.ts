// Records as bytes, where a mediator writes one for each action: what stays the same from one record to the next is
// copied, not made again. The text is that of `recordText`.
import type { ProcessInfo, SessionRecord } from '../model/mod.ts';
import { actorText, decisionText, hasSeldom, quoted, seldomText, special } from './record-text.ts';

const QUOTE = 0x22;
const ZERO = 0x30;
const CLOSE = 0x7d;
/** More than the numbers of a record and the names around them take. */
const NUMBERS = 256;
/** Bytes of a character of UTF-16 at most, and when it is written as an escape. */
const CHARACTER = 3;
const ESCAPED = 6;
const MAX_INT = 0x7fff_ffff;
const MAX_DECISIONS = 64;

/** Writes the decimal digits of `value` so that they end before `end`; returns where they begin. */
function digitsBefore(target: Uint8Array, end: number, value: number): number {
  let at = end;
  let left = value;
  for (; left > MAX_INT; left = Math.floor(left / 10)) target[--at] = ZERO + (left % 10);
  do {
    const tenth = (left / 10) | 0;
    target[--at] = ZERO + left - tenth * 10;
    left = tenth;
  } while (left !== 0);
  return at;
}

/** From the beginning to the object: only numbers differ, and mostly not in how many digits they have. */
class Head {
  bytes: Buffer = Buffer.alloc(0);
  readonly #session: string;
  /** Where the digits of the number end, both times, and where the time begins. */
  #idEnd = 0;
  #seqEnd = 0;
  #timeStart = 0;
  /** Numbers from the first to below the second have as many digits as there is room for. */
  #least = 0;
  #beyond = 0;
  #time = NaN;
  #timeLength = 0;

  constructor(session: string) {
    this.#session = session;
  }

  update(seq: number, time: number): void {
    if (time !== this.#time) this.#setTime(time);
    if (seq < this.#least || seq >= this.#beyond) this.#lay(seq);
    digitsBefore(this.bytes, this.#idEnd, seq);
    digitsBefore(this.bytes, this.#seqEnd, seq);
  }

  #setTime(time: number): void {
    const text = String(time);
    this.#time = time;
    if (text.length === this.#timeLength) this.bytes.latin1Write(text, this.#timeStart);
    else this.#beyond = 0;
  }

  #lay(seq: number): void {
    const [number, time] = [String(seq), String(this.#time)];
    const id = `{"id":"${this.#session}-${number}`;
    const upToSeq = `${id}","session":"${this.#session}","seq":${number}`;
    const upToTime = `${upToSeq},"time":`;
    this.bytes = Buffer.from(`${upToTime}${time},"object":`, 'latin1');
    [this.#idEnd, this.#seqEnd, this.#timeStart] = [id.length, upToSeq.length, upToTime.length];
    this.#timeLength = time.length;
    this.#beyond = 10 ** number.length;
    this.#least = number.length === 1 ? 0 : this.#beyond / 10;
  }
}

interface Decision {
  readonly like: SessionRecord;
  readonly bytes: Buffer;
}
interface Actor {
  readonly exe: string | undefined;
  readonly comm: string | undefined;
  readonly bytes: Buffer;
}

const ofProcess = Buffer.from(',"process":{"pid":');
const ofParent = Buffer.from(',"ppid":');

/** Of one session, for one thread. */
export class RecordBytes {
  readonly #head: Head;
  /** The last decision on each operation. */
  readonly #decisions = new Map<string, Decision>();
  #actor: Actor = { exe: undefined, comm: undefined, bytes: Buffer.from(actorText({})) };

  /** `session` needs no escape, and is ASCII. */
  constructor(session: string) {
    this.#head = new Head(session);
  }

  /**
   * Writes `record`, whose id is of this session and its number, at `start`; returns its end. -1 when there may be too
   * little room: then nothing of use is written.
   */
  write(record: SessionRecord, target: Buffer, start: number): number {
    const { object, process: who } = record;
    const decision = this.#decisionOf(record);
    const actor = who === undefined ? undefined : this.#actorOf(who);
    const seldom = hasSeldom(record) ? seldomText(record) : '';
    const size =
      NUMBERS +
      object.length * ESCAPED +
      decision.length +
      (actor?.length ?? 0) +
      seldom.length * CHARACTER +
      this.#head.bytes.length;
    if (start + size > target.length) return -1;
    this.#head.update(record.seq, record.time);
    target.set(this.#head.bytes, start);
    let at = writeObject(object, target, start + this.#head.bytes.length);
    target.set(decision, at);
    at += decision.length;
    if (who !== undefined && actor !== undefined) at = writeProcess(who, actor, target, at);
    if (seldom !== '') return at + target.utf8Write(seldom, at);
    target[at] = CLOSE;
    return at + 1;
  }

  #decisionOf(record: SessionRecord): Buffer {
    const known = this.#decisions.get(record.operation);
    if (known !== undefined && isDecidedAlike(known.like, record)) return known.bytes;
    const bytes = Buffer.from(decisionText(record));
    if (this.#decisions.size >= MAX_DECISIONS) this.#decisions.clear();
    this.#decisions.set(record.operation, { like: record, bytes });
    return bytes;
  }

  #actorOf(who: ProcessInfo): Buffer {
    const { exe, comm } = who;
    if (exe !== this.#actor.exe || comm !== this.#actor.comm)
      this.#actor = { exe, comm, bytes: Buffer.from(actorText(who)) };
    return this.#actor.bytes;
  }
}

function writeObject(object: string, target: Buffer, start: number): number {
  if (special.test(object)) return start + target.utf8Write(quoted(object), start);
  target[start] = QUOTE;
  const end = start + 1 + target.utf8Write(object, start + 1);
  target[end] = QUOTE;
  return end + 1;
}

function writeProcess({ pid, ppid }: ProcessInfo, actor: Buffer, target: Buffer, start: number): number {
  target.set(ofProcess, start);
  let at = writeNumber(pid, target, start + ofProcess.length);
  if (ppid !== undefined) {
    target.set(ofParent, at);
    at = writeNumber(ppid, target, at + ofParent.length);
  }
  target.set(actor, at);
  return at + actor.length;
}

function writeNumber(value: number, target: Buffer, start: number): number {
  let end = start + 1;
  for (let beyond = 10; beyond <= value; beyond *= 10) end++;
  digitsBefore(target, end, value);
  return end;
}

const isDecidedAlike = (a: SessionRecord, b: SessionRecord): boolean =>
  a.rule?.source === b.rule?.source &&
  a.rule?.id === b.rule?.id &&
  a.disposition === b.disposition &&
  a.reason === b.reason &&
  a.kind === b.kind &&
  a.layer === b.layer &&
  a.mode === b.mode &&
  a.generation === b.generation;
