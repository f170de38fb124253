// SessionRecords as the daemon sends them: JSON of its own making, checked once here.
import { CordonError, type SessionRecord } from '../model/mod.ts';
import { revealed } from '../ocsf/mod.ts';
import { isKind, type Bodies } from '../wire/mod.ts';
import type { Daemon } from './daemon.ts';

const texts = [
  'id',
  'session',
  'kind',
  'operation',
  'object',
  'disposition',
  'mode',
  'layer',
  'reason',
] as const;

const isRecord = (value: unknown): value is SessionRecord =>
  typeof value === 'object' &&
  value !== null &&
  texts.every((key) => typeof Reflect.get(value, key) === 'string') &&
  typeof Reflect.get(value, 'time') === 'number';

export function parseRecord(json: string): SessionRecord {
  const value: unknown = JSON.parse(json);
  if (isRecord(value)) return value;
  throw new CordonError('protocol', 'cordond sent a record that is not one', {
    fix: 'Check that cordon and cordond are of the same version.',
  });
}

/** Records as they come, in as many answers as the daemon needs. */
export async function* recordsOf(
  daemon: Daemon,
  request: Partial<Bodies['records']>,
): AsyncGenerator<SessionRecord, void> {
  for await (const message of daemon.stream('records', request)) {
    if (isKind(message, 'recordsAnswer')) yield* message.body.records.map(parseRecord);
  }
}

/** For people: that a value is sealed, and not how. */
export const withoutEnvelopes = (record: SessionRecord): SessionRecord =>
  revealed(record, () => '[sealed]').record;

/** `/usr/bin/cat` → `cat`; what is not known is a dash. */
export const programName = (process: SessionRecord['process']): string =>
  process?.comm ?? process?.exe?.split('/').at(-1) ?? '-';

/** `profiles/coding-agent.yaml:14 (files[3].never)`, or that it is built in. */
export function ruleText(rule: SessionRecord['rule']): string {
  if (rule === undefined) return '-';
  const { file, line, key } = rule.source;
  if (file === '') return `${rule.id} (built in)`;
  return `${rule.id} at ${line > 0 ? `${file}:${line}` : file}${key === '' ? '' : ` (${key})`}`;
}
