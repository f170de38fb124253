// A record as the JSON that journals hold, written before the answer. What differs between records that are otherwise
// alike comes first: who wrote or read the rest before need not do so again.
import type { ProcessInfo, SessionRecord } from '../model/mod.ts';

/** What needs an escape in JSON, and surrogates, of which some do. */
const special = /["\\\x00-\x1f\ud800-\udfff]/;
const quoted = (text: string): string => (special.test(text) ? JSON.stringify(text) : `"${text}"`);

/** What differs in every record. */
const frontOf = ({ id, session, seq, time, object }: SessionRecord): string =>
  `{"id":${quoted(id)},"session":"${session}","seq":${seq},"time":${time},"object":${quoted(object)}`;

/** What was decided. */
function decisionOf(record: SessionRecord): string {
  const { mode, generation, kind, operation, disposition, layer, rule, reason } = record;
  return (
    `,"mode":"${mode}","generation":${generation},"kind":"${kind}","operation":${quoted(operation)}` +
    `,"disposition":"${disposition}","layer":"${layer}"` +
    (rule === undefined ? '' : `,"rule":${ruleText(rule)}`) +
    `,"reason":${quoted(reason)}`
  );
}

/** Who did it, and what most records have not, with the end. */
const endOf = (record: SessionRecord): string =>
  (record.process === undefined ? '' : `,"process":${processText(record.process)}`) + seldom(record);

const restOf = (record: SessionRecord): string => decisionOf(record) + endOf(record);

/** Equal to what `JSON.stringify` says, but for the order. */
export const recordText = (record: SessionRecord): string => frontOf(record) + restOf(record);

interface Known {
  readonly like: SessionRecord;
  readonly text: string;
  /** Made when it is asked for a second time. */
  bytes: Uint8Array | undefined;
}

const slots = 16;
const utf8 = new TextEncoder();

/** Writes records, and remembers what it wrote of each process last: a process does much that is alike. */
export class RecordTexts {
  readonly #known: (Known | undefined)[] = Array.from({ length: slots });
  #decided: { readonly like: SessionRecord; readonly text: string } | undefined;
  #time = NaN;
  #timeText = '';

  /** The first half of the text. As `frontOf`, of a record that the writer has numbered: its id is of session and number. */
  front({ session, seq, time, object }: SessionRecord): string {
    if (time !== this.#time) [this.#time, this.#timeText] = [time, String(time)];
    const number = String(seq);
    return `{"id":"${session}-${number}","session":"${session}","seq":${number},"time":${this.#timeText},"object":${quoted(object)}`;
  }

  /** The other half: bytes when it was said of the same process before, else text. */
  rest(record: SessionRecord): Uint8Array | string {
    if (hasSeldom(record)) return this.#uncommon(record);
    const slot = (record.process?.pid ?? 0) % slots;
    const known = this.#known[slot];
    if (known !== undefined && isAlike(known.like, record)) return (known.bytes ??= utf8.encode(known.text));
    const text = this.#uncommon(record);
    this.#known[slot] = { like: record, text, bytes: undefined };
    return text;
  }

  #uncommon(record: SessionRecord): string {
    if (this.#decided === undefined || !isDecidedAlike(this.#decided.like, record))
      this.#decided = { like: record, text: decisionOf(record) };
    return this.#decided.text + endOf(record);
  }
}

const isAlike = (a: SessionRecord, b: SessionRecord): boolean =>
  isDecidedAlike(a, b) && isSameProcess(a.process, b.process);

const isDecidedAlike = (a: SessionRecord, b: SessionRecord): boolean =>
  a.rule === b.rule &&
  a.operation === b.operation &&
  a.disposition === b.disposition &&
  a.reason === b.reason &&
  a.kind === b.kind &&
  a.layer === b.layer &&
  a.mode === b.mode &&
  a.generation === b.generation;

const isSameProcess = (a: ProcessInfo | undefined, b: ProcessInfo | undefined): boolean =>
  a === b || (a?.pid === b?.pid && a?.ppid === b?.ppid && a?.exe === b?.exe && a?.comm === b?.comm);

const ruleText = ({ id, source }: NonNullable<SessionRecord['rule']>): string =>
  `{"id":${quoted(id)},"source":{"file":${quoted(source.file)},"line":${source.line},"key":${quoted(source.key)}}}`;

const processText = ({ pid, ppid, exe, comm }: ProcessInfo): string =>
  `{"pid":${pid}${ppid === undefined ? '' : `,"ppid":${ppid}`}` +
  `${exe === undefined ? '' : `,"exe":${quoted(exe)}`}${comm === undefined ? '' : `,"comm":${quoted(comm)}`}}`;

const hasSeldom = ({ object2, outcome, tree, count, detail }: SessionRecord): boolean =>
  object2 !== undefined ||
  outcome !== undefined ||
  tree !== undefined ||
  count !== undefined ||
  detail !== undefined;

/** What most records have not, with the end. */
function seldom({ object2, outcome, tree, count, detail }: SessionRecord): string {
  return (
    (object2 === undefined ? '' : `,"object2":${quoted(object2)}`) +
    (tree === undefined ? '' : `,"tree":${JSON.stringify(tree)}`) +
    (count === undefined ? '' : `,"count":${count}`) +
    (detail === undefined ? '' : `,"detail":${JSON.stringify(detail)}`) +
    (outcome === undefined ? '}' : `,"outcome":${quoted(outcome)}}`)
  );
}
