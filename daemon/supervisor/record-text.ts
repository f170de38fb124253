// A record as the JSON that journals hold, written before the answer. What differs between records that are otherwise
// alike comes first: who wrote or read the rest before need not do so again.
import type { ProcessInfo, SessionRecord } from '../model/mod.ts';

/** What needs an escape in JSON, and surrogates, of which some do. */
const special = /["\\\x00-\x1f\ud800-\udfff]/;
const quoted = (text: string): string => (special.test(text) ? JSON.stringify(text) : `"${text}"`);

/** What differs in every record. */
const frontOf = ({ id, session, seq, time, object }: SessionRecord): string =>
  `{"id":${quoted(id)},"session":"${session}","seq":${seq},"time":${time},"object":${quoted(object)}`;

/** All else, with the end. */
function restOf(record: SessionRecord): string {
  const { mode, generation, kind, operation, disposition, layer, rule, reason, process } = record;
  return (
    `,"mode":"${mode}","generation":${generation},"kind":"${kind}","operation":${quoted(operation)}` +
    `,"disposition":"${disposition}","layer":"${layer}"` +
    (rule === undefined ? '' : `,"rule":${ruleText(rule)}`) +
    `,"reason":${quoted(reason)}` +
    (process === undefined ? '' : `,"process":${processText(process)}`) +
    seldom(record)
  );
}

/** Equal to what `JSON.stringify` says, but for the order. */
export const recordText = (record: SessionRecord): string => frontOf(record) + restOf(record);

interface Known {
  readonly like: SessionRecord;
  readonly rest: string;
}

const slots = 16;

/** Writes records, and remembers what it wrote of each process last: a process does much that is alike. */
export class RecordTexts {
  readonly #known: (Known | undefined)[] = Array.from({ length: slots });

  /** Two halves of the text. */
  of(record: SessionRecord): readonly [front: string, rest: string] {
    return [frontOf(record), this.#rest(record)];
  }

  #rest(record: SessionRecord): string {
    if (hasSeldom(record)) return restOf(record);
    const slot = (record.process?.pid ?? 0) % slots;
    const known = this.#known[slot];
    if (known !== undefined && isAlike(known.like, record)) return known.rest;
    const rest = restOf(record);
    this.#known[slot] = { like: record, rest };
    return rest;
  }
}

const isAlike = (a: SessionRecord, b: SessionRecord): boolean =>
  a.rule === b.rule &&
  a.operation === b.operation &&
  a.disposition === b.disposition &&
  a.reason === b.reason &&
  a.kind === b.kind &&
  a.layer === b.layer &&
  a.mode === b.mode &&
  a.generation === b.generation &&
  isSameProcess(a.process, b.process);

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
