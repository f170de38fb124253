// What a lenient protobuf decoder lets pass and a strict one does not: fields that the schema does not have, wire types
// that are not those of the field, a single field said twice, two members of a oneof, and strings that are no UTF-8.
import protobuf from 'protobufjs';

/** By the type of a field: its wire type (protobuf encoding, "Message Structure"). Messages and enums: below. */
const wireTypes: Readonly<Record<string, number>> = {
  int32: 0,
  int64: 0,
  uint32: 0,
  bool: 0,
  fixed64: 1,
  double: 1,
  string: 2,
  bytes: 2,
  fixed32: 5,
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws when these bytes are not such a message to the letter. */
export function requireStrict(bytes: Uint8Array, type: protobuf.Type): void {
  const reader = protobuf.Reader.create(bytes);
  checkMessage(reader, type, bytes.length);
}

function checkMessage(reader: protobuf.Reader, type: protobuf.Type, end: number): void {
  const seen = new Set<string>();
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = type.fieldsById[tag >>> 3];
    if (field === undefined) throw new Error(`${type.name} has no field ${tag >>> 3}`);
    checkOnce(seen, field);
    checkField(reader, field.resolve(), tag & 7);
  }
  if (reader.pos !== end) throw new Error(`${type.name} ends within a field`);
}

/** Members of a oneof count as one field. */
function checkOnce(seen: Set<string>, field: protobuf.Field): void {
  if (field.repeated) return;
  const name = field.partOf?.name ?? field.name;
  if (seen.has(name)) throw new Error(`${field.parent?.name ?? '?'}.${name} is said twice`);
  seen.add(name);
}

function checkField(reader: protobuf.Reader, field: protobuf.Field, wireType: number): void {
  const { resolvedType, name } = field;
  const isMessage = resolvedType instanceof protobuf.Type;
  const expected = isMessage ? 2 : resolvedType === null ? wireTypes[field.type] : 0;
  if (wireType !== expected) throw new Error(`${name} has wire type ${wireType}, not ${expected ?? '?'}`);
  if (isMessage) checkMessage(reader, resolvedType, reader.uint32() + reader.pos);
  else if (resolvedType !== null) checkEnum(reader.int32(), resolvedType, name);
  else if (field.type === 'string') utf8.decode(reader.bytes());
  else reader.skipType(wireType);
}

function checkEnum(value: number, { valuesById }: protobuf.Enum, name: string): void {
  if (valuesById[value] === undefined) throw new Error(`${name} has no value ${value}`);
}
