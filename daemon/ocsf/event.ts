// A record as one OCSF 1.8 event: the canonical text (RFC 8785) that is hashed, stored and shipped. Written member by
// member in order, because this is done for every record; the tests hold it against `canonical`.
import type { Disposition, ProcessInfo, SessionRecord } from '../model/mod.ts';
import { bounded } from './bounds.ts';
import { canonical } from './canonical.ts';
import { other } from './classes.ts';
import { constantsOf } from './context.ts';
import type { Constants, EventContext } from './context.ts';
import { shapeOf } from './kinds.ts';
import { after, basename, before, object, quoted } from './shape.ts';
import type { Shape } from './shape.ts';

export const ocsfVersion = '1.8.0';

/** `record` is the decision, with its outcome when that is known by then; `outcome` is what is told later. */
export type Part = 'record' | 'outcome';

/** action_id, disposition_id: Allowed; Denied, Blocked; Observed, Detected; Observed, Logged. */
export const dispositionIds: Readonly<Record<Disposition, readonly [number, number]>> = {
  allowed: [1, 1],
  denied: [2, 2],
  'would-deny': [3, 15],
  observed: [3, 17],
};

/** Informational, Low, Medium. */
const severities: Readonly<Record<Disposition, number>> = {
  allowed: 1,
  observed: 1,
  'would-deny': 2,
  denied: 3,
};
const high = 4;

/** The canonical text of the event that says this record. Never throws: what does not fit is cut and marked. */
export function eventText(given: SessionRecord, context: EventContext, part: Part): string {
  const record = bounded(given);
  const constants = constantsOf(context);
  const shape = shapeOf(record, constants);
  const { attributes: a, activity, class: eventClass } = shape;
  const [action, disposition] = dispositionIds[record.disposition];
  const { detail } = record;
  return (
    `{"action_id":${action},"activity_id":${activity}` +
    after('activity_name', nameOfActivity(record, shape)) +
    `,"actor":${actorOf(record, constants)}` +
    after('api', a.api) +
    after('app', a.app) +
    after('authorizations', authorizationsOf(record)) +
    `,"category_uid":${eventClass.category},"class_uid":${eventClass.uid}` +
    after('command_uid', a.command_uid) +
    after('connection_info', a.connection_info) +
    after('count', numberText(record.count)) +
    after('data_security', a.data_security) +
    `,"device":${constants.device},"disposition_id":${disposition}` +
    after('dst_endpoint', a.dst_endpoint) +
    after('end_time', milliseconds(detail?.['last'])) +
    after('file', a.file) +
    after('file_result', a.file_result) +
    after('finding_info', a.finding_info) +
    after('http_request', a.http_request) +
    after('kernel', a.kernel) +
    after('log_name', a.log_name) +
    `,"message":${quoted(record.reason)}` +
    after('message_context', a.message_context) +
    `,"metadata":${metadataOf(record, constants, part, given !== record, a.message_context !== undefined)}` +
    after('policy', constants.policy) +
    after('privileges', a.privileges) +
    after('process', a.process) +
    after('query', a.query) +
    `,"severity_id":${severityOf(record)}` +
    after('src_endpoint', a.src_endpoint) +
    after('start_time', milliseconds(detail?.['first'])) +
    after('state_id', a.state_id) +
    statusOf(record, eventClass.category) +
    `,"time":${Math.floor(record.time)}` +
    after('traffic', a.traffic) +
    `,"type_uid":${eventClass.uid * 100 + activity},"unmapped":{"cordon":${unmappedOf(record, shape)}}` +
    after('user', a.user) +
    '}'
  );
}

const numberText = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : String(value);

/** When folded reads began and ended, as milliseconds. */
const milliseconds = (value: unknown): string | undefined =>
  typeof value === 'number' && value >= 0 && value < 2 ** 53 ? String(Math.floor(value)) : undefined;

const nameOfActivity = (
  { operation }: SessionRecord,
  { activity, activityName }: Shape,
): string | undefined => (activity === other ? quoted(activityName ?? (operation || 'unnamed')) : undefined);

function actorOf(record: SessionRecord, { appName, user }: Constants): string {
  const { process, tree } = record;
  const acting = process === undefined ? '' : `"process":${processText(process, tree)},`;
  return `{"app_name":${appName},${acting}"session":{"uid":${quoted(record.session)}},"user":${personOf(record, user)}}`;
}

/** A person on the admin socket acts for himself, not for the session. */
function personOf({ kind, detail }: SessionRecord, user: string): string {
  const { actor, uid } = kind === 'admin' ? (detail ?? {}) : {};
  return typeof actor === 'string' && typeof uid === 'number'
    ? `{"name":${quoted(actor)},"uid":"${uid}"}`
    : user;
}

function processText(
  { pid, ppid, exe, comm }: ProcessInfo,
  tree: readonly ProcessInfo[] | undefined,
): string {
  return (
    '{' +
    before('ancestry', tree && `[${tree.map(ancestorText).join(',')}]`) +
    before('file', exe === undefined ? undefined : imageText(exe)) +
    before('name', comm === undefined ? undefined : quoted(comm)) +
    before('parent_process', ppid === undefined ? undefined : `{"pid":${ppid}}`) +
    `"pid":${pid}}`
  );
}

const imageText = (exe: string): string =>
  `{"name":${quoted(basename(exe))},"path":${quoted(exe)},"type_id":8}`;

const ancestorText = ({ pid, exe, comm }: ProcessInfo): string =>
  '{' +
  before('name', comm === undefined ? undefined : quoted(comm)) +
  before('path', exe === undefined ? undefined : quoted(exe)) +
  `"pid":${pid}}`;

/** The rule that decided, and where it is written. */
function authorizationsOf({ rule, disposition }: SessionRecord): string | undefined {
  if (rule === undefined) return undefined;
  const { file, key, line } = rule.source;
  const data = `{"file":${quoted(file)},"key":${quoted(key)},"line":${line}}`;
  return `[{"decision":"${disposition}","policy":{"data":${data},"uid":${quoted(rule.id)}}}]`;
}

function metadataOf(
  { id, seq }: SessionRecord,
  { product }: Constants,
  part: Part,
  cut: boolean,
  aiOperation: boolean,
): string {
  const uid = part === 'record' ? quoted(id) : quoted(`${id}.outcome`);
  return (
    `{${part === 'outcome' ? `"correlation_uid":${quoted(id)},` : ''}${cut ? '"is_truncated":true,' : ''}` +
    `"product":${product},"profiles":[${aiOperation ? '"ai_operation",' : ''}"host","security_control"],` +
    `"sequence":${seq},"uid":${uid},"version":"${ocsfVersion}"}`
  );
}

/** Damage and loss of records, and kills, are high. */
const severityOf = ({ kind, operation, disposition, layer }: SessionRecord): number =>
  (kind === 'session' && layer === 'journal') ||
  (kind === 'admin' && operation === 'kill') ||
  kind === 'finding'
    ? high
    : severities[disposition];

/** What became of it: Success, or Failure with the errno's name. The status of a finding is its life, not an outcome. */
function statusOf({ outcome, disposition }: SessionRecord, category: number): string {
  const isFinding = category === 2;
  if (outcome === undefined) return disposition === 'denied' && !isFinding ? ',"status_id":2' : '';
  const status = isFinding ? '' : `,"status_id":${outcome === '0' ? 1 : 2}`;
  return `,"status_code":${quoted(outcome)}${status}`;
}

/** What OCSF has no attribute for. */
function unmappedOf(record: SessionRecord, { holds }: Shape): string {
  const { kind, operation, layer, mode, generation, object2, detail, process, time, tree } = record;
  return (
    '{' +
    before('detail', detail && detailText(detail, holds.detail)) +
    `"generation":${generation},"kind":${quoted(kind)},"layer":${quoted(layer)},"mode":${quoted(mode)}` +
    after('object', holds.object === true ? undefined : quoted(record.object)) +
    after('object2', object2 === undefined || holds.object2 === true ? undefined : quoted(object2)) +
    `,"operation":${quoted(operation)}` +
    after('parents', tree && parentsOf(tree)) +
    after('time', Number.isInteger(time) ? undefined : String(time)) +
    after('tree', process === undefined && tree !== undefined ? treeText(tree) : undefined) +
    '}'
  );
}

/** `ancestry` has no place for the parents of ancestors. */
const parentsOf = (tree: readonly ProcessInfo[]): string | undefined =>
  tree.some(({ ppid }) => ppid !== undefined) ? canonical(tree.map(({ ppid }) => ppid ?? null)) : undefined;

/** Without a process there is no `ancestry`. */
const treeText = (tree: readonly ProcessInfo[]): string => canonical(tree.map((each) => ({ ...each })));

function detailText(
  detail: NonNullable<SessionRecord['detail']>,
  held: ReadonlySet<string> | undefined,
): string {
  const keys = Object.keys(detail);
  const kept = held === undefined ? keys : keys.filter((key) => !held.has(key));
  if (kept.length > 1) kept.sort();
  let members = '';
  for (const key of kept) members += `${quoted(key)}:${factText(detail[key] ?? '')},`;
  return kept.length === 0 ? '{}' : object(members);
}

function factText(fact: NonNullable<SessionRecord['detail']>[string]): string {
  if (typeof fact === 'string') return quoted(fact);
  return typeof fact === 'object' ? `[${fact.map(quoted).join(',')}]` : canonical(fact);
}
