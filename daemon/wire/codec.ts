// Envelope to bytes and back, over the field tables generated from cordon.proto. Input is hostile: anything that is
// not exactly one well-formed message of protocol 1 is a CordonError('protocol'); unknown fields are skipped, so that
// a newer peer may add some. Numbers of 64 bits must be safe integers.
import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs/minimal.js';
import { CordonError } from '../model/mod.ts';
import { maxEnvelope, protocolVersion } from './message.ts';
import type { Envelope, Kind, Message } from './message.ts';
import { bodyTable, fieldTables } from './messages.gen.ts';
import type { Bodies, BodyRow, FieldRow } from './messages.gen.ts';

type Reader = protobuf.Reader;
type Writer = protobuf.Writer;
type Value = string | number | boolean | Uint8Array | Struct | readonly Value[];
interface Struct {
  [field: string]: Value;
}

/** Elements of one repeated field. */
const maxRepeated = 65_536;
const emptyBytes = new Uint8Array(0);

const tables = new Map(
  Object.entries(fieldTables).map(([type, rows]) => [
    type,
    { rows, byNumber: new Map(rows.map((row) => [row.no, row])) },
  ]),
);
const bodyByKind = new Map<string, BodyRow>(bodyTable.map((row) => [row.kind, row]));
const bodyByNumber = new Map(bodyTable.map((row) => [row.no, row]));

const wireTypes: Readonly<Record<string, number>> = { bool: 0, uint32: 0, int32: 0, uint64: 0, double: 1 };
const wireTypeOf = (type: string): number => wireTypes[type] ?? 2;

const broken = (what: string): CordonError => new CordonError('protocol', `malformed message: ${what}`);

function tableOf(type: string): { rows: readonly FieldRow[]; byNumber: ReadonlyMap<number, FieldRow> } {
  const table = tables.get(type);
  if (table === undefined) throw new CordonError('internal', `no field table for ${type}`);
  return table;
}

// ---- encoding

function writeValue(writer: Writer, row: FieldRow, value: Value): void {
  const tag = (row.no << 3) | wireTypeOf(row.type);
  writer.uint32(tag);
  if (row.type === 'string') writer.string(value as string);
  else if (row.type === 'bytes') writer.bytes(value as Uint8Array);
  else if (row.type === 'bool') writer.bool(value as boolean);
  else if (row.type === 'double') writer.double(value as number);
  else if (row.type === 'uint32') writer.uint32(value as number);
  else if (row.type === 'int32') writer.int32(value as number);
  else if (row.type === 'uint64') writer.uint64(safeInteger(value));
  else writeStruct(writer.fork(), row.type, value as Struct).ldelim();
}

const isDefault = (value: Value): boolean =>
  value === '' || value === 0 || value === false || (value instanceof Uint8Array && value.length === 0);

function writeStruct(writer: Writer, type: string, body: Struct): Writer {
  for (const row of tableOf(type).rows) {
    const value = body[row.name];
    if (value === undefined) continue;
    if (row.repeated) for (const item of value as readonly Value[]) writeValue(writer, row, item);
    else if (!isDefault(value)) writeValue(writer, row, value);
  }
  return writer;
}

/** One envelope, without length prefix. Fails with CordonError('limit') when it would exceed `maxEnvelope`. */
export function encodeEnvelope(envelope: Envelope): Buffer {
  const { kind, body } = envelope.message;
  const row = bodyByKind.get(kind);
  if (row === undefined) throw new CordonError('internal', `no such message: ${kind}`);
  const writer = protobuf.Writer.create().uint32(8).uint32(protocolVersion);
  if (envelope.request !== 0) writer.uint32(16).uint64(safeInteger(envelope.request));
  if (envelope.more) writer.uint32(24).bool(true);
  writeStruct(writer.uint32((row.no << 3) | 2).fork(), row.type, body as unknown as Struct).ldelim();
  const bytes = writer.finish();
  if (bytes.length > maxEnvelope)
    throw new CordonError(
      'limit',
      `a ${kind} message of ${bytes.length} bytes is over the ${maxEnvelope} allowed`,
    );
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

// ---- decoding

/** What the reader gives for 64 bits is a number or a Long; both print as decimal. */
function safeInteger(value: { toString(): string }): number {
  const number = Number(value.toString());
  if (!Number.isSafeInteger(number) || number < 0) throw broken('an integer is out of range');
  return number;
}

function readText(reader: Reader): string {
  const bytes = reader.bytes();
  if (!isUtf8(bytes)) throw broken('text is not UTF-8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function readScalar(reader: Reader, type: string): Value {
  if (type === 'string') return readText(reader);
  if (type === 'bytes') return reader.bytes();
  if (type === 'bool') return reader.bool();
  if (type === 'double') return reader.double();
  if (type === 'uint32') return reader.uint32();
  if (type === 'int32') return reader.int32();
  if (type === 'uint64') return safeInteger(reader.uint64());
  return readStruct(subReader(reader), type);
}

function subReader(reader: Reader): Reader {
  return protobuf.Reader.create(reader.bytes());
}

function defaultOf(row: FieldRow): Value {
  if (row.repeated) return [];
  if (row.type === 'string') return '';
  if (row.type === 'bytes') return emptyBytes;
  if (row.type === 'bool') return false;
  return 0;
}

function readStruct(reader: Reader, type: string): Struct {
  const { rows, byNumber } = tableOf(type);
  const out: Struct = {};
  for (const row of rows) out[row.name] = defaultOf(row);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const row = byNumber.get(tag >>> 3);
    if (row === undefined) skipField(reader, tag);
    else if ((tag & 7) !== wireTypeOf(row.type)) throw broken(`${type}.${row.name} has the wrong wire type`);
    else if (row.repeated) append(out[row.name] as Value[], readScalar(reader, row.type), row.name);
    else out[row.name] = readScalar(reader, row.type);
  }
  return out;
}

function append(list: Value[], value: Value, name: string): void {
  if (list.length >= maxRepeated) throw broken(`${name} has more than ${maxRepeated} elements`);
  list.push(value);
}

/** Groups (wire types 3 and 4) nest without bound, and nobody has reason to send them. */
function skipField(reader: Reader, tag: number): void {
  const type = tag & 7;
  if (tag >>> 3 === 0 || type === 3 || type === 4 || type > 5)
    throw broken('an unknown field cannot be skipped');
  reader.skipType(type);
}

interface Header {
  protocol: number;
  request: number;
  more: boolean;
  message: Message | undefined;
}

function readHeaderField(reader: Reader, tag: number, header: Header): void {
  if (tag === 8) header.protocol = reader.uint32();
  else if (tag === 16) header.request = safeInteger(reader.uint64());
  else if (tag === 24) header.more = reader.bool();
  else {
    const row = bodyByNumber.get(tag >>> 3);
    if (row === undefined) {
      skipField(reader, tag);
      return;
    }
    if ((tag & 7) !== 2) throw broken(`${row.kind} has the wrong wire type`);
    if (header.message !== undefined) throw broken('an envelope carries two messages');
    header.message = { kind: row.kind, body: readStruct(subReader(reader), row.type) } as unknown as Message;
  }
}

/**
 * Reads one envelope. `bytes` fields are views into `bytes`: the caller hands over a buffer nobody writes to again
 * (the framer's frames are such).
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const header: Header = { protocol: 0, request: 0, more: false, message: undefined };
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) readHeaderField(reader, reader.uint32(), header);
  } catch (error) {
    if (error instanceof CordonError) throw error;
    throw new CordonError('protocol', 'malformed message: it ends early', { cause: error });
  }
  if (header.protocol !== protocolVersion)
    throw new CordonError(
      'protocol',
      `the peer speaks protocol ${header.protocol}, this is protocol ${protocolVersion}`,
      {
        fix: 'install the same version of cordon and cordond',
      },
    );
  if (header.message === undefined) throw broken('it carries no message that is known here');
  return { request: header.request, more: header.more, message: header.message };
}

function defaults(type: string): Struct {
  const out: Struct = {};
  for (const row of tableOf(type).rows) out[row.name] = defaultOf(row);
  return out;
}

/** A message whose fields that are not given have their defaults (empty, 0, false). */
export function message<K extends Kind>(kind: K, body: Partial<Bodies[K]> = {}): Message {
  const row = bodyByKind.get(kind);
  if (row === undefined) throw new CordonError('internal', `no such message: ${kind}`);
  return { kind, body: { ...defaults(row.type), ...body } } as unknown as Message;
}
