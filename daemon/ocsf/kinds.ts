// Which mapping a kind of record has, and which class it is kept and filtered by.
import type { RecordKind, SessionRecord } from '../model/mod.ts';
import type { Constants } from './context.ts';
import { classes, other } from './classes.ts';
import {
  adminShape,
  approvalShape,
  findingShape,
  logShape,
  sessionShape,
  tokenShape,
  toolShape,
} from './daemon-shapes.ts';
import { connectShape, httpShape, nameShape } from './network-shapes.ts';
import type { Shape } from './shape.ts';
import { execShape, fileShape, isRead, syscallShape } from './system-shapes.ts';

type Mapping = (record: SessionRecord, constants: Constants) => Shape;

const shapes: Readonly<Record<RecordKind, Mapping>> = {
  file: fileShape,
  exec: execShape,
  connect: connectShape,
  socket: connectShape,
  name: nameShape,
  http: httpShape,
  syscall: syscallShape,
  tool: toolShape,
  session: sessionShape,
  admin: adminShape,
  token: tokenShape,
  approval: approvalShape,
  finding: findingShape,
  log: logShape,
};
const byKind: ReadonlyMap<string, Mapping> = new Map(Object.entries(shapes));

/** A kind that a newer program writes is still on record. */
const strange: Mapping = (_record, { app }) => ({
  class: classes.applicationLifecycle,
  activity: other,
  attributes: { app },
  holds: {},
});

export const shapeOf: Mapping = (record, constants) =>
  (byKind.get(record.kind) ?? strange)(record, constants);

/** For retention, and for filters. */
export const recordClasses = [
  'denial',
  'mutation',
  'exec',
  'network',
  'read',
  'admin',
  'session',
  'finding',
  'token',
  'gap',
] as const;
export type RecordClass = (typeof recordClasses)[number];

const byKindAlone: Readonly<Record<Exclude<RecordKind, 'file'>, RecordClass>> = {
  exec: 'exec',
  connect: 'network',
  socket: 'network',
  name: 'network',
  http: 'network',
  syscall: 'exec',
  tool: 'session',
  session: 'session',
  admin: 'admin',
  token: 'token',
  approval: 'token',
  finding: 'finding',
  log: 'admin',
};
const plain: ReadonlyMap<string, RecordClass> = new Map(Object.entries(byKindAlone));

/** Records that say that others are missing. */
const isGap = ({ kind, operation, layer }: SessionRecord): boolean =>
  (kind === 'log' && operation === 'gap') || (kind === 'session' && layer === 'journal');

export function classOf(record: SessionRecord): RecordClass {
  const { kind, operation, disposition } = record;
  if (isGap(record)) return 'gap';
  if (kind === 'finding') return 'finding';
  if (disposition === 'denied' || disposition === 'would-deny') return 'denial';
  if (kind === 'file') return isRead(operation) ? 'read' : 'mutation';
  return plain.get(kind) ?? 'session';
}
