// A record as the JSON that journals hold. Written member by member: this is done before every answer, and JSON.stringify
// takes twice as long. What differs between records that are otherwise alike comes first: a reader that knows the rest
// need not read it again.
import type { ProcessInfo, SessionRecord } from '../model/mod.ts';

/** What needs an escape in JSON, and surrogates, of which some do. */
const special = /["\\\x00-\x1f\ud800-\udfff]/;
const quoted = (text: string): string => (special.test(text) ? JSON.stringify(text) : `"${text}"`);

/** Equal to what `JSON.stringify` says, but for the order. */
export function recordText(record: SessionRecord): string {
  const { id, session, seq, time, object, mode, generation, kind, operation } = record;
  const { disposition, layer, rule, reason, process } = record;
  return (
    `{"id":${quoted(id)},"session":"${session}","seq":${seq},"time":${time},"object":${quoted(object)}` +
    `,"mode":"${mode}","generation":${generation},"kind":"${kind}","operation":${quoted(operation)}` +
    `,"disposition":"${disposition}","layer":"${layer}"` +
    (rule === undefined ? '' : `,"rule":${ruleText(rule)}`) +
    `,"reason":${quoted(reason)}` +
    (process === undefined ? '' : `,"process":${processText(process)}`) +
    seldom(record)
  );
}

const ruleText = ({ id, source }: NonNullable<SessionRecord['rule']>): string =>
  `{"id":${quoted(id)},"source":{"file":${quoted(source.file)},"line":${source.line},"key":${quoted(source.key)}}}`;

const processText = ({ pid, ppid, exe, comm }: ProcessInfo): string =>
  `{"pid":${pid}${ppid === undefined ? '' : `,"ppid":${ppid}`}` +
  `${exe === undefined ? '' : `,"exe":${quoted(exe)}`}${comm === undefined ? '' : `,"comm":${quoted(comm)}`}}`;

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
