// What of a record is kept from its readers: by policy what is personal, always what is secret. Done before the event is
// made, so that what is signed and shipped never held it.
import { createHmac } from 'node:crypto';
import { argumentsWithoutSecrets, withoutSecrets } from '../dlp/mod.ts';
import type { ProcessInfo, RedactionPolicy, SessionRecord, Treatment } from '../model/mod.ts';
import type { SealText } from './sealed-value.ts';

type Detail = NonNullable<SessionRecord['detail']>;
type Fact = Detail[string];
type Change = (text: string) => string;

export const dropped = '[dropped]';
const isTreated = (text: string): boolean => text === dropped || /^hmac-sha256:[0-9a-f]{64}$/.test(text);

/** Without a way to seal, what would be sealed is dropped. */
function changeOf(treatment: Treatment, key: Uint8Array, sealed?: Change): Change | undefined {
  if (treatment === 'keep') return undefined;
  if (treatment === 'seal' && sealed !== undefined) return sealed;
  const change: Change =
    treatment === 'hash'
      ? (text) => `hmac-sha256:${createHmac('sha256', key).update(text, 'utf8').digest('hex')}`
      : () => dropped;
  return (text) => (text === '' || isTreated(text) ? text : change(text));
}

/** For the values of one record. What only looks like one of its own sealed values is sealed as any other. */
function sealedFor(record: string, seal: SealText): { readonly sealed: Change; readonly made: Set<string> } {
  const made = new Set<string>();
  const sealed: Change = (text) => {
    if (text === '' || text === dropped || made.has(text)) return text;
    const value = seal(text, record);
    made.add(value);
    return value;
  };
  return { sealed, made };
}

/** The record as it may be kept. `key` is the host's own; only `hash` uses it, as only `seal` uses `seal`. */
export function redact(
  record: SessionRecord,
  policy: RedactionPolicy,
  key: Uint8Array,
  seal?: SealText,
): SessionRecord {
  const clean = scrubbed(record);
  const { sealed, made } = seal === undefined ? {} : sealedFor(record.id, seal);
  const change = (treatment: Treatment): Change | undefined => {
    const each = changeOf(treatment, key, sealed);
    // What one part of the policy sealed is no other part's to hash.
    return each === undefined || made === undefined ? each : (text) => (made.has(text) ? text : each(text));
  };
  const paths = change(policy.paths);
  const located = paths === undefined ? clean : withoutPaths(clean, paths);
  const given = change(policy.arguments);
  const silent = given === undefined ? located : withoutArguments(located, given);
  const content = change(policy.content);
  return content === undefined ? silent : withoutContent(silent, content);
}

/**
 * Whether a record is kept as it is, when one that differs only in number, time and object was kept as it is under the
 * same policy.
 */
export const keepsObject = ({ kind, object }: SessionRecord, { paths }: RedactionPolicy): boolean =>
  paths === 'keep' && (!spoken.has(kind) || withoutSecrets(object) === object);

/** A command line as it may be kept: the program stays. The list itself when nothing of it changes. */
export function redactArguments(
  argv: readonly string[],
  policy: RedactionPolicy,
  key: Uint8Array,
): readonly string[] {
  const clean = argumentsWithoutSecrets(argv);
  const change = changeOf(policy.arguments, key);
  const kept = change === undefined ? clean : clean.map((item, i) => (i === 0 ? item : change(item)));
  return kept.every((item, i) => item === argv[i]) ? argv : kept;
}

/** Kinds of record in which a program or a person chose the words. */
const spoken: ReadonlySet<string> = new Set([
  'exec',
  'tool',
  'http',
  'session',
  'admin',
  'approval',
  'token',
]);

/** Without secrets. The record itself when there are none. */
function scrubbed(record: SessionRecord): SessionRecord {
  if (!spoken.has(record.kind)) return record;
  const { object, reason, detail } = record;
  const whole = withoutSecrets(object);
  const clean = {
    object: isLaunch(record) ? lineWithoutSecrets(whole) : whole,
    reason: withoutSecrets(reason),
    detail: detail && mapFacts(detail, scrubbedFact),
  };
  const same = clean.object === object && clean.reason === reason && clean.detail === detail;
  return same ? record : { ...record, ...present(clean) };
}

const isLaunch = ({ kind, operation }: SessionRecord): boolean =>
  kind === 'session' && operation === 'launch';

/** A command line, when what is secret over several words is gone: an option's value is the next word. */
const lineWithoutSecrets = (line: string): string => argumentsWithoutSecrets(line.split(' ')).join(' ');

const argumentLists: ReadonlySet<string> = new Set(['argv', 'judged']);
/** Digests, and names that we gave. */
const ours: ReadonlySet<string> = new Set(['sha256', 'callId', 'recordId', 'flow', 'jti', 'jtis', 'parent']);

function scrubbedFact(name: string, fact: Fact): Fact {
  if (ours.has(name)) return fact;
  if (typeof fact === 'string') return withoutSecrets(fact);
  if (typeof fact !== 'object') return fact;
  const clean = argumentLists.has(name) ? argumentsWithoutSecrets(fact) : fact.map(withoutSecrets);
  return clean.every((item, i) => item === fact[i]) ? fact : clean;
}

/** The same object when no fact changes. */
function mapFacts(detail: Detail, change: (name: string, fact: Fact) => Fact): Detail {
  let changed: Record<string, Fact> | undefined;
  for (const [name, fact] of Object.entries(detail)) {
    const next = change(name, fact);
    if (next !== fact) (changed ??= { ...detail })[name] = next;
  }
  return changed ?? detail;
}

const pathKinds: ReadonlySet<string> = new Set(['file', 'exec', 'socket']);

function withoutPaths(record: SessionRecord, change: Change): SessionRecord {
  const { kind, object, object2, process, tree, detail, reason } = record;
  const any: Change = (text) => (text.startsWith('/') ? change(text) : text);
  const own = pathKinds.has(kind) ? change : any;
  const image = (info: ProcessInfo): ProcessInfo =>
    info.exe === undefined ? info : { ...info, exe: change(info.exe) };
  const kept = own(object);
  return {
    ...record,
    object: kept,
    // A reason may repeat the path it is about.
    reason: kept === object || object.length < 2 ? reason : reason.replaceAll(object, () => kept),
    ...present({
      object2: object2 === undefined ? undefined : own(object2),
      process: process && image(process),
      tree: tree?.map(image),
      detail: detail && mapFacts(detail, (name, fact) => pathsOf(name, fact, any)),
    }),
  };
}

function pathsOf(name: string, fact: Fact, any: Change): Fact {
  if (typeof fact === 'string') return any(fact);
  return typeof fact === 'object' && argumentLists.has(name)
    ? fact.map((item, i) => (i === 0 ? any(item) : item))
    : fact;
}

function withoutArguments(record: SessionRecord, change: Change): SessionRecord {
  const { object, detail } = record;
  const list = (name: string, fact: Fact): Fact =>
    typeof fact === 'object' && argumentLists.has(name)
      ? fact.map((item, i) => (i === 0 ? item : change(item)))
      : fact;
  return {
    ...record,
    ...(isLaunch(record) ? { object: withoutTail(object, change) } : {}),
    ...present({ detail: detail && mapFacts(detail, list) }),
  };
}

/** A command line: the program stays. */
function withoutTail(line: string, change: Change): string {
  const space = line.indexOf(' ');
  return space < 0 ? line : `${line.slice(0, space)} ${change(line.slice(space + 1))}`;
}

const said: ReadonlySet<string> = new Set(['arguments', 'result']);

function withoutContent(record: SessionRecord, change: Change): SessionRecord {
  const { kind, operation, reason, detail } = record;
  if (kind !== 'tool' && kind !== 'approval') return record;
  const justification = operation === 'justify' || kind === 'approval';
  return {
    ...record,
    reason: justification ? change(reason) : reason,
    ...present({
      detail:
        detail &&
        mapFacts(detail, (name, fact) => (said.has(name) && typeof fact === 'string' ? change(fact) : fact)),
    }),
  };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
const present = <T extends object>(value: T): Present<T> =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Present<T>;
