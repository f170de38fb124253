// What egress may say happened. It reads hostile bytes and may one day be somebody else's: only what its own room can have
// seen is taken, member by member, each of its kind and bounded. Texts are cut; anything else that does not fit is refused.
import type { NewRecord, ProcessInfo, RuleSource } from '../model/mod.ts';

type Fields = Readonly<Record<string, unknown>>;
type Detail = NonNullable<NewRecord['detail']>;

const kinds = ['connect', 'name', 'http'] as const;
const dispositions = ['allowed', 'denied', 'would-deny', 'observed'] as const;
const layers = ['egress', 'resolver'] as const;
const maxText = 16 * 1024;
const maxFacts = 32;

const refuse = (): never => {
  throw new TypeError('no record that egress can make');
};

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : refuse();
}
const textOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, maxText) : refuse());
const countOf = (value: unknown): number =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : refuse();
const oneOf = <T>(value: unknown, among: readonly T[]): T => among.find((each) => each === value) ?? refuse();
const given = <T>(value: unknown, read: (value: unknown) => T): T | undefined =>
  value === undefined ? undefined : read(value);

function ruleOf(value: unknown): { readonly id: string; readonly source: RuleSource } {
  const { id, source } = fieldsOf(value);
  const { file, line, key } = fieldsOf(source);
  return { id: textOf(id), source: { file: textOf(file), line: countOf(line), key: textOf(key) } };
}

function processOf(value: unknown): ProcessInfo {
  const { pid, exe } = fieldsOf(value);
  return { pid: countOf(pid), exe: textOf(exe) };
}

function detailOf(value: unknown): Detail {
  const facts = Object.entries(fieldsOf(value));
  return facts.length > maxFacts
    ? refuse()
    : Object.fromEntries(facts.map(([name, fact]) => [name.slice(0, 64), factOf(fact)]));
}

function factOf(fact: unknown): Detail[string] {
  if (typeof fact === 'boolean' || Number.isFinite(fact)) return fact as boolean | number;
  if (Array.isArray(fact)) return fact.slice(0, maxFacts).map(textOf);
  return textOf(fact);
}

/** Undefined: egress cannot have made it. */
export function egressRecord(value: unknown): NewRecord | undefined {
  try {
    return read(fieldsOf(value));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function read(from: Fields): NewRecord {
  const optional = {
    object2: given(from['object2'], textOf),
    outcome: given(from['outcome'], textOf),
    generation: given(from['generation'], countOf),
    count: given(from['count'], countOf),
    rule: given(from['rule'], ruleOf),
    process: given(from['process'], processOf),
    detail: given(from['detail'], detailOf),
  };
  return {
    kind: oneOf(from['kind'], kinds),
    operation: textOf(from['operation']),
    object: textOf(from['object']),
    disposition: oneOf(from['disposition'], dispositions),
    layer: oneOf(from['layer'], layers),
    reason: textOf(from['reason']),
    ...(Object.fromEntries(
      Object.entries(optional).filter(([, each]) => each !== undefined),
    ) as Partial<NewRecord>),
  };
}
