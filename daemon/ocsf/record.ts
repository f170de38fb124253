// The way back: from the text of an event to the record that it says. Readers on this machine (blocks, explain, tail)
// go on speaking of records.
import { CordonError } from '../model/mod.ts';
import type { Disposition, ProcessInfo, SessionRecord } from '../model/mod.ts';
import { dispositionIds } from './event.ts';

type Members = Readonly<Record<string, unknown>>;
type Detail = NonNullable<SessionRecord['detail']>;

const members = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

function needed<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw notOurs(`it has no ${what}`);
  return value;
}

const notOurs = (why: string): CordonError =>
  new CordonError('protocol', `this is no event of Cordon: ${why}`, {
    fix: 'use a text that eventText made; events of others cannot be read back',
  });

/** `{key: value}`, or nothing when there is no value. */
const optional = <K extends string, T>(key: K, value: T | undefined): { readonly [k in K]?: T } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [k in K]?: T };

const dispositions: ReadonlyMap<string, Disposition> = new Map(
  Object.entries(dispositionIds).map(([name, ids]) => [ids.join('/'), name as Disposition]),
);

/** The record that an event says. Throws CordonError when the text is no event of ours. */
export function recordOf(event: string): SessionRecord {
  const e = parsed(event);
  const own = members(members(e['unmapped'])['cordon']);
  const metadata = members(e['metadata']);
  const actor = members(e['actor']);
  const rule = ruleOf(e);
  const tree = treeOf(actor, own);
  return {
    id: needed(text(metadata['correlation_uid']) ?? text(metadata['uid']), 'uid'),
    session: needed(text(members(actor['session'])['uid']), 'session'),
    seq: needed(number(metadata['sequence']), 'sequence'),
    time: needed(number(own['time']) ?? number(e['time']), 'time'),
    kind: needed(text(own['kind']), 'kind') as SessionRecord['kind'],
    operation: needed(text(own['operation']), 'operation'),
    object: needed(text(own['object']) ?? objectOf(e), 'object'),
    ...optional('object2', text(own['object2']) ?? pathOf(e['file_result'])),
    disposition: needed(dispositions.get([e['action_id'], e['disposition_id']].join('/')), 'disposition'),
    mode: needed(text(own['mode']), 'mode') as SessionRecord['mode'],
    generation: needed(number(own['generation']), 'generation'),
    layer: needed(text(own['layer']), 'layer') as SessionRecord['layer'],
    ...optional('rule', rule),
    reason: needed(text(e['message']), 'message'),
    ...optional('outcome', text(e['status_code'])),
    ...optional('process', processOf(actor['process'])),
    ...optional('tree', tree),
    ...optional('count', number(e['count'])),
    ...optional('detail', detailOf(e, own)),
  };
}

function parsed(event: string): Members {
  let value: unknown;
  try {
    value = JSON.parse(event);
  } catch {
    throw notOurs('it is not JSON');
  }
  const e = members(value);
  if (members(members(e['metadata'])['product'])['name'] !== 'Cordon')
    throw notOurs('another product made it');
  return e;
}

const pathOf = (file: unknown): string | undefined => text(members(file)['path']);

/** Where a class has the object of the action. At most one of these is there. */
const objectOf = (e: Members): string | undefined =>
  pathOf(e['file']) ??
  pathOf(members(e['process'])['file']) ??
  text(members(e['process'])['uid']) ??
  text(members(e['kernel'])['name']) ??
  text(members(e['query'])['hostname']) ??
  text(members(e['api'])['operation']);

function ruleOf(e: Members): SessionRecord['rule'] {
  const [authorization] = list(e['authorizations']);
  if (authorization === undefined) return undefined;
  const policy = members(members(authorization)['policy']);
  const { file, line, key } = members(policy['data']);
  return {
    id: needed(text(policy['uid']), 'rule'),
    source: { file: text(file) ?? '', line: number(line) ?? 0, key: text(key) ?? '' },
  };
}

function processOf(value: unknown): ProcessInfo | undefined {
  if (value === undefined) return undefined;
  const process = members(value);
  return {
    pid: needed(number(process['pid']), 'pid'),
    ...optional('ppid', number(members(process['parent_process'])['pid'])),
    ...optional('exe', pathOf(process['file'])),
    ...optional('comm', text(process['name'])),
  };
}

function treeOf(actor: Members, own: Members): readonly ProcessInfo[] | undefined {
  if (Array.isArray(own['tree'])) return own['tree'] as readonly ProcessInfo[];
  const ancestry = members(actor['process'])['ancestry'];
  if (!Array.isArray(ancestry)) return undefined;
  const parents = list(own['parents']);
  return ancestry.map((each, i) => {
    const { pid, path, name } = members(each);
    return {
      pid: number(pid) ?? 0,
      ...optional('ppid', number(parents[i])),
      ...optional('exe', text(path)),
      ...optional('comm', text(name)),
    };
  });
}

/** Facts that became attributes return to where they were. */
function detailOf(e: Members, own: Members): Detail | undefined {
  if (own['detail'] === undefined) return undefined;
  const api = members(e['api']);
  const request = members(api['request']);
  return {
    ...(members(own['detail']) as Detail),
    ...optional('sha256', digestOf(e['file']) ?? digestOf(members(e['process'])['file'])),
    ...optional('arguments', text(request['data'])),
    ...optional('callId', text(request['uid'])),
    ...optional('result', text(members(api['response'])['message'])),
  };
}

const digestOf = (file: unknown): string | undefined =>
  text(members(list(members(file)['hashes'])[0])['value']);
