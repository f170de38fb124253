// Reads OTLP requests by the published schema, strictly: what the schema does not have, what is missing and what is
// said twice are errors. A stand-in for a real collector, which neither npm nor Debian has (adr/0011-uploader.md).
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { requireStrict } from './wire.ts';

const schema = protobuf.parse(readFileSync(fileURLToPath(new URL('./logs.proto', import.meta.url)), 'utf8'), {
  keepCase: true,
}).root;
export const requestType = schema.lookupType('otlp.ExportLogsServiceRequest');
const responseType = schema.lookupType('otlp.ExportLogsServiceResponse');

export interface LogRecord {
  readonly time: bigint;
  readonly observed: bigint;
  readonly severity: number;
  readonly eventName: string;
  readonly body: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface LogsRequest {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: string;
  readonly records: readonly LogRecord[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Throws for what a strict receiver answers 400 to. */
export function decodeRequest(bytes: Uint8Array): LogsRequest {
  requireStrict(bytes, requestType);
  const request = requestType.toObject(requestType.decode(bytes), { longs: BigInt, oneofs: true }) as Fields;
  const logs = only(request['resource_logs'], 'resource');
  const scoped = only(logs['scope_logs'], 'scope');
  const resource = present(logs['resource'], 'resource');
  const scope = present(scoped['scope'], 'scope');
  for (const one of [resource, scope]) requireWhole(one);
  const { attributes, name } = { attributes: attributesOf(resource['attributes']), name: scope['name'] };
  // Semantic conventions, Service: required.
  if (typeof attributes['service.name'] !== 'string') throw new Error('service.name is missing');
  if (typeof name !== 'string' || name === '') throw new Error('the scope has no name');
  return { resource: attributes, scope: name, records: listOf(scoped['log_records']).map(recordOf) };
}

function recordOf(record: Fields): LogRecord {
  requireWhole(record);
  const [time, observed] = [timeOf(record, 'time_unix_nano'), timeOf(record, 'observed_time_unix_nano')];
  const severity = Number(record['severity_number'] ?? 0);
  if (severity === 0) throw new Error('severity_number is missing');
  const eventName = record['event_name'];
  if (typeof eventName !== 'string' || eventName === '') throw new Error('event_name is missing');
  const body = plain(present(record['body'], 'body'));
  if (body === null) throw new Error('body is empty');
  return { time, observed, severity, eventName, body, attributes: attributesOf(record['attributes']) };
}

function only(list: unknown, what: string): Fields {
  const [one, ...others] = listOf(list);
  if (one === undefined || others.length > 0) throw new Error(`expected one ${what}`);
  return one;
}

function present(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null) throw new Error(`${what} is missing`);
  return value as Fields;
}

/** Nothing was left out: a record whose attributes were dropped could not be checked. */
function requireWhole(fields: Fields): void {
  if ((fields['dropped_attributes_count'] ?? 0) !== 0) throw new Error('attributes were dropped');
}

function timeOf(record: Fields, name: string): bigint {
  const value = (record[name] ?? 0n) as bigint;
  if (value === 0n) throw new Error(`${name} is missing`);
  return value;
}

const listOf = (value: unknown): Fields[] => (value ?? []) as Fields[];

function attributesOf(pairs: unknown): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const { key, value } of listOf(pairs)) {
    if (typeof key !== 'string' || key === '' || key in out)
      throw new Error(`attribute ${String(key)} twice or empty`);
    out[key] = plain(value as Fields);
  }
  return out;
}

/** AnyValue as the JSON it stands for. */
function plain(value: Fields | undefined): unknown {
  if (value?.['value'] === undefined) return null;
  switch (value['value']) {
    case 'int_value':
      return Number(value['int_value']);
    case 'array_value':
      return listOf((value['array_value'] as Fields)['values']).map(plain);
    case 'kvlist_value':
      return attributesOf((value['kvlist_value'] as Fields)['values']);
    default:
      return value[value['value'] as string];
  }
}

export const encodeResponse = (rejected: number, message: string): Uint8Array =>
  responseType
    .encode(
      responseType.fromObject(
        rejected === 0 && message === ''
          ? {}
          : { partial_success: { rejected_log_records: rejected, error_message: message } },
      ),
    )
    .finish();
