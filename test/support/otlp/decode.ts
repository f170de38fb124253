// Reads OTLP requests by the published schema, strictly: unknown fields, missing ones and attributes said twice are
// errors. A stand-in for a real collector, none of which is to be had here as a package.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const schema = protobuf.parse(readFileSync(fileURLToPath(new URL('./logs.proto', import.meta.url)), 'utf8'), {
  keepCase: true,
}).root;
const requestType = schema.lookupType('otlp.ExportLogsServiceRequest');
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
  refuseUnknown(protobuf.Reader.create(bytes), requestType, bytes.length);
  const request = requestType.toObject(requestType.decode(bytes), { longs: BigInt, oneofs: true }) as Fields;
  const [logs, ...others] = listOf(request['resource_logs']);
  if (logs === undefined || others.length > 0) throw new Error('expected one resource');
  const [scoped] = listOf(logs['scope_logs']);
  if (scoped === undefined) throw new Error('expected one scope');
  return {
    resource: attributesOf((logs['resource'] as Fields | undefined)?.['attributes']),
    scope: String((scoped['scope'] as Fields | undefined)?.['name']),
    records: listOf(scoped['log_records']).map(recordOf),
  };
}

function recordOf(record: Fields): LogRecord {
  const observed = (record['observed_time_unix_nano'] ?? 0n) as bigint;
  if (observed === 0n) throw new Error('observed_time_unix_nano is missing');
  if (record['body'] === undefined) throw new Error('body is missing');
  return {
    time: (record['time_unix_nano'] ?? 0n) as bigint,
    observed,
    severity: Number(record['severity_number'] ?? 0),
    eventName: (record['event_name'] ?? '') as string,
    body: plain(record['body'] as Fields),
    attributes: attributesOf(record['attributes']),
  };
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

function refuseUnknown(reader: protobuf.Reader, type: protobuf.Type, end: number): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = type.fieldsById[tag >>> 3];
    if (field === undefined) throw new Error(`${type.name} has no field ${tag >>> 3}`);
    const inner = field.resolve().resolvedType;
    if (!(inner instanceof protobuf.Type)) reader.skipType(tag & 7);
    else {
      const length = reader.uint32();
      refuseUnknown(reader, inner, reader.pos + length);
    }
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
