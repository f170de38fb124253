// Most records of a session are like many before them. The journal has first what differs (number, time, object), so
// that the rest of the text, when it was seen before, need be neither parsed nor made an event again.
import type { RedactionPolicy, SessionRecord } from '../model/mod.ts';
import { eventText, isPlain, templateOf, varyingOf } from '../ocsf/mod.ts';
import type { EventContext, EventTemplate } from '../ocsf/mod.ts';
import { parseRecord } from './parse-record.ts';

/** Rests that are remembered, and that were seen once; when there are more, all are forgotten. */
const most = 1024;
/** A longer rest is not remembered: a megabyte in all. */
const longest = 1024;
/** A longer object is cut in an event, and read by itself. */
const longestObject = 8192;
/** Stands for the object while a rest is looked at. */
const mark = 'cordon-repeat-5f1c9be2';
/** The last millisecond of a Date. */
const maxTime = 8_640_000_000_000_000;

export interface ReadRecord {
  readonly record: SessionRecord;
  /** What is known of records like this one. */
  readonly alike?: Alike | undefined;
}

/** What of a record differs. */
type Front = Pick<SessionRecord, 'id' | 'seq' | 'time' | 'object'> & {
  /** Of an execution, which is of another process each time. */
  readonly pid: number | undefined;
};

interface Split extends Front {
  /** The text of all else. */
  readonly rest: string;
}

/** Records with the same rest. */
class Alike {
  readonly record: SessionRecord;
  /** One of them was kept as it is under this policy. */
  keptUnder: RedactionPolicy | undefined;
  #context: EventContext | undefined;
  /** Of records with a whole time, and of others. Null: not made yet. */
  #whole: EventTemplate | undefined | null = null;
  #exact: EventTemplate | undefined | null = null;

  constructor(record: SessionRecord) {
    this.record = record;
  }

  /** Undefined when the event of each must be written by itself. */
  template(record: SessionRecord, context: EventContext): EventTemplate | undefined {
    if (context !== this.#context) [this.#context, this.#whole, this.#exact] = [context, null, null];
    if (!Number.isInteger(record.time))
      return this.#exact === null ? (this.#exact = templateOf(record, context)) : this.#exact;
    return this.#whole === null ? (this.#whole = templateOf(record, context)) : this.#whole;
  }
}

/** The event of a record as it was read. Equal to what `eventText` makes of it. */
export const eventOf = ({ record, alike }: ReadRecord, context: EventContext): string =>
  textOf({ record, template: alike?.template(record, context) }, context);

/** What an event is made of. */
export interface EventParts {
  /** As it may be kept. */
  readonly record: SessionRecord;
  readonly template: EventTemplate | undefined;
}

/** A record without what is not to be kept. */
export function keptParts(
  given: ReadRecord,
  redact: (given: ReadRecord) => SessionRecord,
  context: EventContext,
): EventParts {
  const record = redact(given);
  // What was changed is like no other.
  return { record, template: record === given.record ? given.alike?.template(record, context) : undefined };
}

export const textOf = ({ record, template }: EventParts, context: EventContext): string =>
  template?.text(varyingOf(record)) ?? eventText(record, context, 'record');

/** Of one session. */
export class Repeats {
  readonly #session: string;
  readonly #prefix: string;
  readonly #middle: string;
  readonly #known = new Map<string, Alike>();
  readonly #once = new Set<string>();

  constructor(session: string) {
    this.#session = session;
    this.#prefix = `{"id":"${session}-`;
    this.#middle = `","session":"${session}","seq":`;
  }

  /** As `parseRecord`. */
  read(text: string): ReadRecord | undefined {
    const split = this.#split(text);
    const alike = split && this.#known.get(split.rest);
    if (split === undefined || alike === undefined) {
      const record = parseRecord(text, this.#session);
      if (split !== undefined && (record?.kind === 'file' || record?.kind === 'exec')) this.#remember(split);
      return record && { record };
    }
    const { id, seq, time, object, pid } = split;
    const like = alike.record;
    if (pid === undefined || like.process === undefined)
      return { record: { ...like, id, seq, time, object }, alike };
    return { record: { ...like, id, seq, time, object, process: { ...like.process, pid } }, alike };
  }

  /** Undefined when the text does not begin as the writer's do, or has what must be read with more care. */
  #split(text: string): Split | undefined {
    if (!text.startsWith(this.#prefix)) return undefined;
    const number = this.#prefix.length;
    const numberEnd = text.indexOf('"', number);
    const digits = text.slice(number, numberEnd);
    if (!text.startsWith(this.#middle, numberEnd)) return undefined;
    const again = numberEnd + this.#middle.length;
    const timeField = again + digits.length;
    if (!text.startsWith(digits, again) || !text.startsWith(',"time":', timeField)) return undefined;
    const timeEnd = text.indexOf(',', timeField + 8);
    const timeText = text.slice(timeField + 8, timeEnd);
    if (!text.startsWith(',"object":"', timeEnd)) return undefined;
    const objectEnd = text.indexOf('"', timeEnd + 11);
    const object = text.slice(timeEnd + 11, objectEnd);
    const [seq, time] = [Number(digits), Number(timeText)];
    const plain = isPlain(object) && String(seq) === digits && String(time) === timeText;
    if (!plain || !Number.isSafeInteger(seq) || !(time >= 0 && time <= maxTime)) return undefined;
    if (objectEnd < 0 || object.length > longestObject || text.length - objectEnd > longest) return undefined;
    const front = { id: `${this.#session}-${digits}`, seq, time, object };
    return { ...front, ...withoutProcess(text.slice(objectEnd + 1)) };
  }

  /** What comes a second time is likely to come a third. */
  #remember({ id, seq, time, pid, rest }: Split): void {
    if (!this.#once.has(rest)) {
      if (this.#once.size >= most) this.#once.clear();
      this.#once.add(rest);
      return;
    }
    // A rest may say again what is before it; then that is what counts, and every record is read by itself. What says
    // the same as one front cannot say the same as another.
    const next = { id: `${id}0`, seq: seq + 1, time: time + 1, object: mark };
    const record = this.#withFront(rest, { ...next, pid: pid === undefined ? pid : pid + 1 });
    if (record === undefined || this.#withFront(rest, { id, seq, time, object: '', pid }) === undefined)
      return;
    if (this.#known.size >= most) this.#known.clear();
    this.#known.set(rest, new Alike(record));
  }

  /** The record with this before its rest; undefined when it does not have all of it. */
  #withFront(rest: string, front: Front): SessionRecord | undefined {
    const { id, seq, time, object, pid } = front;
    const text = JSON.stringify({ id, session: this.#session, seq, time, object });
    const whole = pid === undefined ? rest : rest.replace(gap, () => `${ofProcess}${pid}`);
    const record = parseRecord(`${text.slice(0, -1)}${whole}`, this.#session);
    const same = record?.id === id && record.seq === seq && record.time === time && record.object === object;
    return same && (pid === undefined || pidOf(record) === pid) ? record : undefined;
  }
}

const ofProcess = ',"process":{"pid":';
/** Stands for the process in a rest: no JSON has it. */
const gap = '\0';
const pidOf = ({ process }: SessionRecord): unknown => (process as { pid?: unknown } | undefined)?.pid;

/** The number of the process taken out of the rest of an execution; any other rest as it is. */
function withoutProcess(rest: string): Pick<Split, 'rest' | 'pid'> {
  const at = rest.includes(',"kind":"exec",') && !rest.includes(gap) ? rest.indexOf(ofProcess) : -1;
  const digits = at < 0 ? '' : (/^\d{1,10}(?=[,}])/.exec(rest.slice(at + ofProcess.length))?.[0] ?? '');
  if (digits === '' || String(Number(digits)) !== digits) return { rest, pid: undefined };
  const end = at + ofProcess.length + digits.length;
  return { rest: `${rest.slice(0, at)}${gap}${rest.slice(end)}`, pid: Number(digits) };
}
