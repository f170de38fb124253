// Records come from journals, and journals hold what hostile programs chose: names that are no text, arguments without
// end. An event is made of a record whose every part has its type and a bound, so that making it cannot fail.
import type { Disposition, ProcessInfo, RecordKind, RecordLayer, SessionRecord } from '../model/mod.ts';

/** UTF-16 code units of one text. A path of 4 KiB of bytes that are no UTF-8 is written with four for each. */
export const maxText = 16_384;
/** Items of a list, and code units of all of them. */
export const maxItems = 4_096;
export const maxList = 65_536;
export const maxFacts = 64;
const maxAncestors = 64;
/** The last millisecond of a Date. */
const maxTime = 8_640_000_000_000_000;

type Detail = NonNullable<SessionRecord['detail']>;
type Fact = Detail[string];

const isShort = (value: string): boolean => value.length <= maxText && value.isWellFormed();
const fits = (value: unknown): value is string => typeof value === 'string' && isShort(value);
const absentOr = (value: unknown, test: (value: unknown) => boolean): boolean =>
  value === undefined || test(value);
const counts = (value: unknown): value is number => Number.isSafeInteger(value) && !Object.is(value, -0);
const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Math.abs(value) <= maxTime && !Object.is(value, -0);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const dispositions: ReadonlySet<unknown> = new Set(['allowed', 'denied', 'would-deny', 'observed']);

function isList(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length > maxItems) return false;
  let length = 0;
  for (const item of value as unknown[]) {
    if (!fits(item)) return false;
    length += item.length;
  }
  return length <= maxList;
}

const isNumber = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0);
const isFact = (value: unknown): boolean =>
  fits(value) || typeof value === 'boolean' || isNumber(value) || isList(value);

function isDetail(value: unknown): boolean {
  if (!isObject(value)) return false;
  let facts = 0;
  for (const key in value) {
    facts += 1;
    if (facts > maxFacts || !fits(key) || key === '__proto__' || !isFact(value[key])) return false;
  }
  return true;
}

const isProcess = (value: unknown): boolean =>
  isObject(value) &&
  counts(value['pid']) &&
  absentOr(value['ppid'], counts) &&
  absentOr(value['exe'], fits) &&
  absentOr(value['comm'], fits);
const isTree = (value: unknown): boolean =>
  Array.isArray(value) && value.length <= maxAncestors && value.every(isProcess);
const isRule = (value: unknown): boolean =>
  isObject(value) && fits(value['id']) && isObject(value['source']) && isSource(value['source']);
const isSource = (source: Record<string, unknown>): boolean =>
  fits(source['file']) && counts(source['line']) && fits(source['key']);

/** True when an event can say this record whole. */
export function isWhole(record: SessionRecord): boolean {
  return (
    fits(record.id) &&
    fits(record.session) &&
    counts(record.seq) &&
    isTime(record.time) &&
    fits(record.kind) &&
    fits(record.operation) &&
    fits(record.object) &&
    absentOr(record.object2, fits) &&
    dispositions.has(record.disposition) &&
    fits(record.mode) &&
    counts(record.generation) &&
    fits(record.layer) &&
    absentOr(record.rule, isRule) &&
    fits(record.reason) &&
    absentOr(record.outcome, fits) &&
    absentOr(record.process, isProcess) &&
    absentOr(record.tree, isTree) &&
    absentOr(record.count, counts) &&
    absentOr(record.detail, isDetail)
  );
}

/** The record itself when it is whole; else what of it fits, ends marked with `…`. */
export const bounded = (record: SessionRecord): SessionRecord =>
  isWhole(record) ? record : repaired(record as unknown as Record<string, unknown>);

function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'object' ? JSON.stringify(value) : '';
}

function text(value: unknown): string {
  const known = asText(value);
  if (isShort(known)) return known;
  return known.length <= maxText ? known.toWellFormed() : `${known.slice(0, maxText - 1).toWellFormed()}…`;
}

const integer = (value: unknown): number => (counts(value) ? value : 0);

/** The last place is kept for the mark that says that more was there. */
function list(values: readonly unknown[]): string[] {
  if (isList(values)) return values;
  const kept: string[] = [];
  let room = maxList - 1;
  for (const value of values.slice(0, maxItems - 1)) {
    const item = text(value);
    room -= item.length;
    if (room < 0) break;
    kept.push(item);
  }
  return kept.length < values.length ? [...kept, '…'] : kept;
}

const fact = (value: unknown): Fact =>
  typeof value === 'boolean' || (isNumber(value) && typeof value === 'number')
    ? value
    : Array.isArray(value)
      ? list(value)
      : text(value);

const detail = (value: Record<string, unknown>): Detail =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== '__proto__')
      .slice(0, maxFacts)
      .map(([key, each]) => [text(key), fact(each)]),
  );

function processOf(value: Record<string, unknown>): ProcessInfo {
  const { pid, ppid, exe, comm } = value;
  return {
    pid: integer(pid),
    ...(counts(ppid) ? { ppid } : {}),
    ...(exe === undefined ? {} : { exe: text(exe) }),
    ...(comm === undefined ? {} : { comm: text(comm) }),
  };
}

function ruleOf({ id, source }: Record<string, unknown>): NonNullable<SessionRecord['rule']> {
  const place = isObject(source) ? source : {};
  return {
    id: text(id),
    source: { file: text(place['file']), line: integer(place['line']), key: text(place['key']) },
  };
}

const has = <K extends string, T>(key: K, value: unknown, make: (value: never) => T): { [k in K]?: T } =>
  (value === undefined ? {} : { [key]: make(value as never) }) as { [k in K]?: T };
const hasObject = <K extends string, T>(
  key: K,
  value: unknown,
  make: (value: Record<string, unknown>) => T,
): { [k in K]?: T } => (isObject(value) ? has(key, value, make) : {});

function repaired(record: Record<string, unknown>): SessionRecord {
  const { disposition, tree } = record;
  return {
    id: text(record['id']),
    session: text(record['session']),
    seq: integer(record['seq']),
    time: isTime(record['time']) ? record['time'] : 0,
    kind: text(record['kind']) as RecordKind,
    operation: text(record['operation']),
    object: text(record['object']),
    ...has('object2', record['object2'], text),
    disposition: dispositions.has(disposition) ? (disposition as Disposition) : 'observed',
    mode: text(record['mode']) as SessionRecord['mode'],
    generation: integer(record['generation']),
    layer: text(record['layer']) as RecordLayer,
    ...hasObject('rule', record['rule'], ruleOf),
    reason: text(record['reason']),
    ...has('outcome', record['outcome'], text),
    ...hasObject('process', record['process'], processOf),
    ...(Array.isArray(tree) ? { tree: tree.filter(isObject).slice(0, maxAncestors).map(processOf) } : {}),
    ...has('count', record['count'], integer),
    ...hasObject('detail', record['detail'], detail),
  };
}
