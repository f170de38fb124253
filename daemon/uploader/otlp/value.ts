// JSON values as AnyValue messages (opentelemetry/proto/common/v1/common.proto): field numbers are given beside each.
import protobuf from 'protobufjs/minimal.js';

export type Writer = protobuf.Writer;
type Json = null | string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

export const newWriter = (): Writer => protobuf.Writer.create();

/** Length-delimited field. */
export const field = (writer: Writer, no: number): Writer => writer.uint32((no << 3) | 2);

/** A message in a field: written by `fill`. */
export function message(writer: Writer, no: number, fill: (writer: Writer) => void): void {
  const inner = field(writer, no).fork();
  fill(inner);
  inner.ldelim();
}

/** The contents of an AnyValue: `null` is the empty one. */
export function anyValue(writer: Writer, value: Json): void {
  if (value === null) return;
  if (typeof value === 'string')
    field(writer, 1).string(value); // string_value
  else if (typeof value === 'boolean')
    writer.uint32(16).bool(value); // bool_value
  else if (typeof value === 'number') numberValue(writer, value);
  else if (isList(value))
    message(writer, 5, (list) => {
      for (const one of value) message(list, 1, (inner) => anyValue(inner, one)); // ArrayValue.values
    });
  else message(writer, 6, (list) => keyValues(list, 1, value)); // kvlist_value, KeyValueList.values
}

const isList = (value: object): value is readonly Json[] => Array.isArray(value);

function numberValue(writer: Writer, value: number): void {
  if (Number.isSafeInteger(value))
    writer.uint32(24).int64(value); // int_value
  else writer.uint32(33).double(value); // double_value
}

/** One KeyValue per key, in field `no`. */
export function keyValues(writer: Writer, no: number, values: { readonly [key: string]: Json }): void {
  for (const [key, value] of Object.entries(values))
    message(writer, no, (pair) => {
      field(pair, 1).string(key);
      message(pair, 2, (inner) => anyValue(inner, value));
    });
}

/** Nanoseconds of a time in milliseconds, as fixed64. */
export function nanoseconds(writer: Writer, no: number, milliseconds: number): void {
  const whole = Math.trunc(milliseconds);
  const value = BigInt(whole) * 1_000_000n + BigInt(Math.round((milliseconds - whole) * 1_000_000));
  const low = Number(value & 0xffffffffn) | 0;
  const high = Number((value >> 32n) & 0xffffffffn) | 0;
  writer.uint32((no << 3) | 1).fixed64({ low, high, unsigned: true });
}

/** What JSON.parse gives, typed; undefined when it is no object. */
export function jsonObject(text: string): { readonly [key: string]: Json } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as { readonly [key: string]: Json })
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
