// Records of sessions, people, tools, tokens, findings and the log itself.
import type { SessionRecord } from '../model/mod.ts';
import { classes, other } from './classes.ts';
import type { Constants } from './context.ts';
import { before, object, quoted } from './shape.ts';
import type { Shape } from './shape.ts';

const none = {};
const onlyObject = { object: true };

/** `activity_id` of Application Lifecycle: Start, Stop, Restart. */
const lifecycle: ReadonlyMap<string, number> = new Map([
  ['launch', 3],
  ['exit', 4],
  ['end', 4],
  ['adopt', 5],
]);

function lifecycleShape({ operation }: SessionRecord, { app }: Constants): Shape {
  const activity = lifecycle.get(operation) ?? other;
  return { class: classes.applicationLifecycle, activity, attributes: { app }, holds: none };
}

/** A new policy in force, or one that could not be loaded: the device's security configuration. 2 is Enabled. */
const policyShape = (): Shape => ({
  class: classes.deviceConfigStateChange,
  activity: 1,
  attributes: { state_id: '2' },
  holds: none,
});

/** `activity_id` of Event Log Activity. */
const logActivities: ReadonlyMap<string, number> = new Map([
  ['gap', 2],
  ['prune', 2],
  ['export', 3],
  ['rotate', 5],
  ['start', 6],
  ['stop', 7],
]);

const logOf =
  (name: string) =>
  ({ operation }: SessionRecord): Shape => ({
    class: classes.eventLogActivity,
    activity: logActivities.get(operation) ?? other,
    attributes: { log_name: quoted(name) },
    holds: none,
  });

export const logShape = logOf('audit log');
const journalShape = logOf('session journal');

export function sessionShape(record: SessionRecord, constants: Constants): Shape {
  if (record.operation.startsWith('journal')) return journalShape(record);
  return record.operation === 'policy' ? policyShape() : lifecycleShape(record, constants);
}

/** `activity_id` of a remediation: Isolate, Evict, Restore. */
const remedies: ReadonlyMap<string, number> = new Map([
  ['freeze', 1],
  ['kill', 2],
  ['resume', 3],
]);

/** Requests that were refused, and connections that were closed for what was said on them. */
const refusedRequests: ReadonlySet<string> = new Set(['connection-closed', 'request-refused']);
/** What the daemon could not do. */
const errors: ReadonlySet<string> = new Set(['drain', 'policy-update']);

export function adminShape(record: SessionRecord, constants: Constants): Shape {
  const { operation, object: target } = record;
  if (remedies.has(operation)) return remedyShape(record);
  if (refusedRequests.has(operation)) return requestShape(target, other, constants);
  if (errors.has(operation))
    return { class: classes.applicationError, activity: 1, attributes: none, holds: none };
  return operation.startsWith('policy') ? policyShape() : lifecycleShape(record, constants);
}

/** The session, or all of them, is the process that is acted on. */
const remedyShape = ({ id, operation, object: target }: SessionRecord): Shape => ({
  class: classes.processRemediation,
  activity: remedies.get(operation) ?? other,
  attributes: { command_uid: quoted(id), process: `{"uid":${quoted(target)}}` },
  holds: onlyObject,
});

const requestShape = (operation: string, activity: number, { host }: Constants): Shape => ({
  class: classes.apiActivity,
  activity,
  attributes: { api: `{"operation":${quoted(operation)}}`, src_endpoint: host },
  holds: onlyObject,
});

/** `ask` reads, `justify` creates; a call may do anything. */
const toolActivities: ReadonlyMap<string, number> = new Map([
  ['ask', 2],
  ['justify', 1],
]);
const holdsCall = { object: true, detail: new Set(['arguments', 'callId', 'result']) };

/** A tool call has its arguments as the request's data and its result as the response's message. */
export function toolShape(record: SessionRecord, { host, messageContext }: Constants): Shape {
  const { operation, object: tool, detail } = record;
  const call = callOf(detail);
  const api = object(
    before('operation', quoted(tool)) +
      before('request', call && `{"data":${quoted(call.arguments)},"uid":${quoted(call.callId)}}`) +
      before('response', call && `{"message":${quoted(call.result)}}`),
  );
  return {
    class: classes.apiActivity,
    activity: toolActivities.get(operation) ?? other,
    attributes: { api, message_context: messageContext, src_endpoint: host },
    holds: call === undefined ? onlyObject : holdsCall,
  };
}

function callOf(
  detail: SessionRecord['detail'],
): { readonly arguments: string; readonly callId: string; readonly result: string } | undefined {
  const { arguments: given, callId, result } = detail ?? {};
  return typeof given === 'string' && typeof callId === 'string' && typeof result === 'string'
    ? { arguments: given, callId, result }
    : undefined;
}

const ends: ReadonlySet<string> = new Set(['revoke', 'expire', 'refuse']);

/** Tokens, grants and leases: Assign Privileges, Revoke Privileges. */
export const tokenShape = (
  { operation, object: subject, detail }: SessionRecord,
  { user }: Constants,
): Shape => ({
  class: classes.userAccess,
  activity: ends.has(operation) ? 2 : 1,
  attributes: { privileges: privileges(subject, detail), user },
  holds: none,
});

/** What was asked of a person, and the answer. */
export const approvalShape = (
  { operation, object: subject, detail }: SessionRecord,
  { user }: Constants,
): Shape => ({
  class: classes.authorizeSession,
  activity: operation === 'approve' || operation === 'grant' ? 1 : other,
  attributes: { privileges: privileges(subject, detail), user },
  holds: none,
});

function privileges(subject: string, detail: SessionRecord['detail']): string {
  const named = detail?.['privileges'];
  const all = Array.isArray(named) ? (named as readonly string[]) : [subject];
  return `[${all.map(quoted).join(',')}]`;
}

/** A finding that names a class of data is the DLP's; any other is a detection. The content is never in it. */
export function findingShape({ id, object: title, detail }: SessionRecord): Shape {
  const info = `{"title":${quoted(title)},"uid":${quoted(id)}}`;
  const dataClass = detail?.['class'];
  if (typeof dataClass !== 'string')
    return { class: classes.detectionFinding, activity: 1, attributes: { finding_info: info }, holds: none };
  const pattern = `{"category_id":0,"detection_pattern":${quoted(dataClass)}}`;
  return {
    class: classes.dataSecurityFinding,
    activity: 1,
    attributes: { data_security: pattern, finding_info: info },
    holds: none,
  };
}
