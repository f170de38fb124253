// An event as one row of a table: what people filter and count by, and the event itself.
import { recordOf } from '../../ocsf/mod.ts';
import type { SessionRecord } from '../../model/mod.ts';

export interface TableEntry {
  readonly position: number;
  /** Canonical text. */
  readonly event: string;
  readonly record: SessionRecord;
  /** Of the event. */
  readonly facts: EventFacts;
}

interface EventFacts {
  readonly metadata: { readonly uid: string };
  readonly class_uid: number;
  readonly type_uid: number;
  readonly device: { readonly hostname: string; readonly uid: string };
  readonly policy?: { readonly name: string; readonly uid: string };
  readonly actor: { readonly app_name: string; readonly user: { readonly name: string } };
}

export type Cell = string | number | undefined;
export interface Column {
  readonly name: string;
  readonly type: 'text' | 'integer' | 'time';
  readonly value: (entry: TableEntry) => Cell;
}

const text = (name: string, value: (entry: TableEntry) => string | undefined): Column => ({
  name,
  type: 'text',
  value,
});
const integer = (name: string, value: (entry: TableEntry) => number | undefined): Column => ({
  name,
  type: 'integer',
  value,
});

export const columns: readonly Column[] = [
  integer('position', ({ position }) => position),
  text('uid', ({ facts }) => facts.metadata.uid),
  // Milliseconds since 1970.
  { name: 'time', type: 'time', value: ({ record }) => Math.floor(record.time) },
  text('host', ({ facts }) => facts.device.hostname),
  text('session', ({ record }) => record.session),
  text('agent', ({ facts }) => facts.actor.app_name),
  text('user', ({ facts }) => facts.actor.user.name),
  integer('class_uid', ({ facts }) => facts.class_uid),
  integer('type_uid', ({ facts }) => facts.type_uid),
  text('kind', ({ record }) => record.kind),
  text('operation', ({ record }) => record.operation),
  text('object', ({ record }) => record.object),
  text('object2', ({ record }) => record.object2),
  text('disposition', ({ record }) => record.disposition),
  text('mode', ({ record }) => record.mode),
  text('outcome', ({ record }) => record.outcome),
  text('rule', ({ record }) => record.rule?.id),
  text('reason', ({ record }) => record.reason),
  integer('pid', ({ record }) => record.process?.pid),
  text('exe', ({ record }) => record.process?.exe),
  integer('count', ({ record }) => record.count),
  text('profile', ({ facts }) => facts.policy?.name),
  text('policy', ({ facts }) => facts.policy?.uid),
  text('event', ({ event }) => event),
];

/** The line of an entry in an export file; undefined for its header, its end, and entries whose event was pruned. */
export function tableEntry(line: string): TableEntry | undefined {
  const { position, event } = JSON.parse(line) as { readonly position?: number; readonly event?: string };
  if (position === undefined || event === undefined) return undefined;
  return { position, event, record: recordOf(event), facts: JSON.parse(event) as EventFacts };
}
