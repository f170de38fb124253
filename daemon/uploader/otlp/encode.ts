// Entries as an ExportLogsServiceRequest (opentelemetry/proto/collector/logs/v1). The body is the OCSF event as a map;
// beside it, as an attribute, go the exact bytes that are hashed, because collectors rewrite maps.
import type { Checkpoint, Entry } from '../entry.ts';
import { anyValue, field, jsonObject, keyValues, message, nanoseconds, newWriter } from './value.ts';
import type { Writer } from './value.ts';

export interface LogOrigin {
  /** Of the log: `service.instance.id`. */
  readonly origin: string;
  readonly version: string;
}

/** OCSF severity_id 1–6 → SeverityNumber INFO, INFO2, WARN, ERROR, ERROR2, FATAL; others are not specified. */
const severities = [0, 9, 10, 13, 17, 18, 21];

type Event = NonNullable<ReturnType<typeof jsonObject>>;

export function encodeLogs(
  { origin, version }: LogOrigin,
  entries: readonly Entry[],
  checkpoint: Checkpoint | undefined,
  now: number,
): Uint8Array {
  const events = entries.map(({ text }) => jsonObject(Buffer.from(text).toString('utf8')));
  const writer = newWriter();
  message(writer, 1, (resourceLogs) => {
    message(resourceLogs, 1, (resource) => keyValues(resource, 1, resourceOf(origin, version, events[0])));
    message(resourceLogs, 2, (scopeLogs) => {
      message(scopeLogs, 1, (scope) => {
        field(scope, 1).string('cordon');
        field(scope, 2).string(version);
      });
      entries.forEach((entry, i) =>
        message(scopeLogs, 2, (record) => logRecord(record, entry, events[i], origin, now)),
      );
      if (checkpoint !== undefined)
        message(scopeLogs, 2, (record) => checkpointRecord(record, checkpoint, origin, now));
    });
  });
  return writer.finish();
}

function resourceOf(origin: string, version: string, event: Event | undefined) {
  const device = objectOf(event?.['device']);
  const { hostname, uid } = device;
  return {
    'service.name': 'cordon',
    'service.version': version,
    'service.instance.id': origin,
    ...(typeof hostname === 'string' ? { 'host.name': hostname } : {}),
    ...(typeof uid === 'string' ? { 'host.id': uid } : {}),
  };
}

const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** OCSF numbers: what is none is 0, "unknown". */
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

function logRecord(
  writer: Writer,
  entry: Entry,
  event: Event | undefined,
  origin: string,
  now: number,
): void {
  const text = Buffer.from(entry.text).toString('utf8');
  const severity = severities[numberOf(event?.['severity_id'])] ?? 0;
  nanoseconds(writer, 1, numberOf(event?.['time']));
  if (severity > 0) writer.uint32(16).int32(severity);
  if (typeof event?.['severity'] === 'string') field(writer, 3).string(event['severity']);
  message(writer, 5, (body) => anyValue(body, event ?? text));
  keyValues(writer, 6, {
    'ocsf.class_uid': numberOf(event?.['class_uid']),
    'ocsf.type_uid': numberOf(event?.['type_uid']),
    'event.id': entry.uid,
    'cordon.log.origin': origin,
    'cordon.log.position': entry.position,
    'cordon.log.leaf': Buffer.from(entry.leaf).toString('hex'),
    'cordon.log.chain': Buffer.from(entry.chain).toString('hex'),
    'cordon.class': entry.recordClass,
    'cordon.session': entry.session,
    'log.record.original': text,
  });
  nanoseconds(writer, 11, now);
  field(writer, 12).string(eventName(event));
}

function eventName(event: Event | undefined): string {
  const name = event?.['class_name'];
  const word = typeof name === 'string' ? name.toLowerCase().replace(/[^a-z0-9]+/g, '_') : '';
  return `ocsf.${word === '' ? String(numberOf(event?.['class_uid'])) : word}`;
}

function checkpointRecord(writer: Writer, { size, note }: Checkpoint, origin: string, now: number): void {
  nanoseconds(writer, 1, now);
  writer.uint32(16).int32(9);
  message(writer, 5, (body) => anyValue(body, note));
  keyValues(writer, 6, {
    'event.id': checkpointId(size),
    'cordon.log.origin': origin,
    'cordon.log.size': size,
  });
  nanoseconds(writer, 11, now);
  field(writer, 12).string('cordon.checkpoint');
}

/** What a sink deduplicates a checkpoint by. */
export const checkpointId = (size: number): string => `checkpoint-${size}`;
