// Records as bytes, where a mediator writes one for each action: what stays the same from one record to the next is
// copied, not made again. The text is that of `recordText`.
import type { ProcessInfo, SessionRecord } from '../model/mod.ts';
import { CheckedOutput } from './checked-output.ts';
import { Constant } from './checksum.ts';
import { actorText, decisionText, hasSeldom, seldomText } from './record-text.ts';

const CLOSE = new Constant(Buffer.from('}'));
/** More than the numbers of a record and the names around them take. */
const NUMBERS = 256;
/** Bytes of a character of UTF-16 at most, and when it is written as an escape. */
const CHARACTER = 3;
const ESCAPED = 6;
const MAX_DECISIONS = 64;

/** From the beginning to the object: only numbers differ. */
class Head {
  /** Of all but the numbers. */
  length = 0;
  readonly #upToId: Constant;
  readonly #upToSeq: Constant;
  #time = NaN;
  #upToObject = new Constant(Buffer.alloc(0));

  constructor(session: string) {
    this.#upToId = new Constant(Buffer.from(`{"id":"${session}-`, 'latin1'));
    this.#upToSeq = new Constant(Buffer.from(`","session":"${session}","seq":`, 'latin1'));
  }

  setTime(time: number): void {
    if (time === this.#time) return;
    this.#time = time;
    this.#upToObject = new Constant(Buffer.from(`,"time":${time},"object":`, 'latin1'));
    this.length = this.#upToId.bytes.length + this.#upToSeq.bytes.length + this.#upToObject.bytes.length;
  }

  put(output: CheckedOutput, seq: number): void {
    output.constant(this.#upToId);
    output.number(seq);
    output.constant(this.#upToSeq);
    output.number(seq);
    output.constant(this.#upToObject);
  }
}

interface Decision {
  readonly like: SessionRecord;
  readonly text: Constant;
}
interface Actor {
  readonly exe: string | undefined;
  readonly comm: string | undefined;
  readonly text: Constant;
}

const constantOf = (text: string): Constant => new Constant(Buffer.from(text));
const ofProcess = constantOf(',"process":{"pid":');
const ofParent = constantOf(',"ppid":');

/** Of one session, for one thread. */
export class RecordBytes {
  readonly #head: Head;
  readonly #output = new CheckedOutput();
  /** The last decision on each operation. */
  readonly #decisions = new Map<string, Decision>();
  #actor: Actor = { exe: undefined, comm: undefined, text: constantOf(actorText({})) };

  /** `session` needs no escape, and is ASCII. */
  constructor(session: string) {
    this.#head = new Head(session);
  }

  /** CRC-32 of what was written last. */
  get checksum(): number {
    return this.#output.checksum;
  }

  /**
   * Writes `record`, whose id is of this session and its number, at `start`; returns its end. -1 when there may be too
   * little room: then nothing of use is written.
   */
  write(record: SessionRecord, target: Buffer, start: number): number {
    const { object, process: who, seq, time } = record;
    const decision = this.#decisionOf(record);
    const actor = who === undefined ? undefined : this.#actorOf(who);
    const seldom = hasSeldom(record) ? seldomText(record) : '';
    this.#head.setTime(time);
    const size =
      NUMBERS +
      object.length * ESCAPED +
      decision.bytes.length +
      (actor?.bytes.length ?? 0) +
      seldom.length * CHARACTER +
      this.#head.length;
    if (start + size > target.length) return -1;
    const output = this.#output;
    output.begin(target, start);
    this.#head.put(output, seq);
    output.quoted(object);
    output.constant(decision);
    if (who !== undefined && actor !== undefined) putProcess(output, who, actor);
    if (seldom === '') output.constant(CLOSE);
    else output.text(seldom);
    return output.end;
  }

  #decisionOf(record: SessionRecord): Constant {
    const known = this.#decisions.get(record.operation);
    if (known !== undefined && isDecidedAlike(known.like, record)) return known.text;
    const text = constantOf(decisionText(record));
    if (this.#decisions.size >= MAX_DECISIONS) this.#decisions.clear();
    this.#decisions.set(record.operation, { like: record, text });
    return text;
  }

  #actorOf(who: ProcessInfo): Constant {
    const { exe, comm } = who;
    if (exe !== this.#actor.exe || comm !== this.#actor.comm)
      this.#actor = { exe, comm, text: constantOf(actorText(who)) };
    return this.#actor.text;
  }
}

function putProcess(output: CheckedOutput, { pid, ppid }: ProcessInfo, actor: Constant): void {
  output.constant(ofProcess);
  output.number(pid);
  if (ppid !== undefined) {
    output.constant(ofParent);
    output.number(ppid);
  }
  output.constant(actor);
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
