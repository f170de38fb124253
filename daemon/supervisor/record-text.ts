// A record as the JSON that journals hold, written before the answer. What differs between records that are otherwise
// alike comes first: who wrote or read the rest before need not do so again.
import type { ProcessInfo, SessionRecord } from '../model/mod.ts';

/** What needs an escape in JSON, and surrogates, of which some do. */
export const special = /["\\\x00-\x1f\ud800-\udfff]/;
export const quoted = (text: string): string => (special.test(text) ? JSON.stringify(text) : `"${text}"`);

/** What differs in every record. */
const frontOf = ({ id, session, seq, time, object }: SessionRecord): string =>
  `{"id":${quoted(id)},"session":"${session}","seq":${seq},"time":${time},"object":${quoted(object)}`;

/** What was decided. */
export function decisionText(record: SessionRecord): string {
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
  (record.process === undefined ? '' : `,"process":${processText(record.process)}`) + seldomText(record);

const restOf = (record: SessionRecord): string => decisionText(record) + endOf(record);

/** Equal to what `JSON.stringify` says, but for the order. */
export const recordText = (record: SessionRecord): string => frontOf(record) + restOf(record);

const ruleText = ({ id, source }: NonNullable<SessionRecord['rule']>): string =>
  `{"id":${quoted(id)},"source":{"file":${quoted(source.file)},"line":${source.line},"key":${quoted(source.key)}}}`;

const processText = (process: ProcessInfo): string =>
  `{"pid":${process.pid}${process.ppid === undefined ? '' : `,"ppid":${process.ppid}`}${actorText(process)}`;

/** What a process runs, with the end. */
export const actorText = ({ exe, comm }: Pick<ProcessInfo, 'exe' | 'comm'>): string =>
  `${exe === undefined ? '' : `,"exe":${quoted(exe)}`}${comm === undefined ? '' : `,"comm":${quoted(comm)}`}}`;

export const hasSeldom = ({ object2, outcome, tree, count, detail }: SessionRecord): boolean =>
  object2 !== undefined ||
  outcome !== undefined ||
  tree !== undefined ||
  count !== undefined ||
  detail !== undefined;

/** What most records have not, with the end. */
export function seldomText({ object2, outcome, tree, count, detail }: SessionRecord): string {
  return (
    (object2 === undefined ? '' : `,"object2":${quoted(object2)}`) +
    (tree === undefined ? '' : `,"tree":${JSON.stringify(tree)}`) +
    (count === undefined ? '' : `,"count":${count}`) +
    (detail === undefined ? '' : `,"detail":${JSON.stringify(detail)}`) +
    (outcome === undefined ? '}' : `,"outcome":${quoted(outcome)}}`)
  );
}
