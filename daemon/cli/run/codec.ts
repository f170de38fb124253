// The few messages that `cordon run` speaks, encoded by hand: loading a protobuf library costs more than the rest of
// a launch together. Field numbers are those of daemon/wire/cordon.proto; test/cli checks both against each other.
// Protobuf encoding: https://protobuf.dev/programming-guides/encoding/ (wire types 0 varint, 1 i64, 2 bytes, 5 i32).
import { CordonError } from '../../model/errors.ts';

export const protocolVersion = 1;
export const maxFrame = 1 << 20;

/** Numbers of Envelope's `body`. */
export const body = {
  failure: 10,
  ack: 11,
  run: 20,
  runAnswer: 21,
  attach: 60,
  terminalInput: 61,
  terminalOutput: 62,
  terminalResize: 63,
  forwardSignal: 64,
  sessionExit: 65,
} as const;

export type Value = number | Buffer;
export interface Envelope {
  readonly request: number;
  readonly kind: number;
  readonly body: Buffer;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A field that carries its type's zero value is left out, as proto3 does. */
export const number = (field: number, value: number): Buffer[] =>
  value === 0 ? [] : [varint(field * 8), varint(value)];
export const flag = (field: number, value: boolean): Buffer[] => number(field, value ? 1 : 0);
export const bytes = (field: number, value: Buffer): Buffer[] =>
  value.length === 0 ? [] : item(field, value);
export const text = (field: number, value: string): Buffer[] => bytes(field, Buffer.from(value, 'utf8'));
/** Elements of a repeated field and messages are written even when empty. */
export const item = (field: number, value: Buffer): Buffer[] => [
  varint(field * 8 + 2),
  varint(value.length),
  value,
];

/** One length-prefixed frame with one Envelope. */
export function frame(request: number, kind: number, fields: readonly Buffer[]): Buffer {
  const message = Buffer.concat(fields);
  const envelope = Buffer.concat([
    ...number(1, protocolVersion),
    ...number(2, request),
    ...item(kind, message),
  ]);
  if (envelope.length > maxFrame) {
    throw new CordonError(
      'limit',
      `the request is ${envelope.length} bytes; a message holds at most ${maxFrame}`,
      {
        fix: 'Pass fewer or shorter arguments and environment variables.',
      },
    );
  }
  const length = Buffer.alloc(4);
  length.writeUInt32BE(envelope.length);
  return Buffer.concat([length, envelope]);
}

const malformed = (): CordonError =>
  new CordonError('protocol', 'cordond sent a message that cannot be read', {
    fix: 'Check that cordon and cordond are of the same version.',
  });

function readVarint(source: Buffer, at: number): { value: number; next: number } {
  let value = 0n;
  for (let index = 0; index < 10; index++) {
    const byte = source[at + index];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value: Number(BigInt.asIntN(64, value)), next: at + index + 1 };
  }
  throw malformed();
}

function readValue(source: Buffer, at: number, wireType: number): { value: Value; next: number } {
  if (wireType === 0) return readVarint(source, at);
  const length = wireType === 2 ? readVarint(source, at) : { value: wireType === 1 ? 8 : 4, next: at };
  if (wireType !== 1 && wireType !== 2 && wireType !== 5) throw malformed();
  const next = length.next + length.value;
  if (length.value < 0 || next > source.length) throw malformed();
  return { value: source.subarray(length.next, next), next };
}

/** All fields of a message by number, in order; unknown ones too. */
export function fields(source: Buffer): ReadonlyMap<number, readonly Value[]> {
  const found = new Map<number, Value[]>();
  let at = 0;
  while (at < source.length) {
    const tag = readVarint(source, at);
    const { value, next } = readValue(source, tag.next, tag.value & 7);
    const field = Math.floor(tag.value / 8);
    const values = found.get(field);
    if (values === undefined) found.set(field, [value]);
    else values.push(value);
    at = next;
  }
  return found;
}

export type Fields = ReadonlyMap<number, readonly Value[]>;

export function numberOf(message: Fields, field: number): number {
  const value = message.get(field)?.at(-1) ?? 0;
  if (typeof value !== 'number') throw malformed();
  return value;
}

export function bytesOf(message: Fields, field: number): Buffer {
  const value = message.get(field)?.at(-1) ?? Buffer.alloc(0);
  if (typeof value === 'number') throw malformed();
  return value;
}

export const textOf = (message: Fields, field: number): string => bytesOf(message, field).toString('utf8');

export const textsOf = (message: Fields, field: number): string[] =>
  (message.get(field) ?? []).map((value) => {
    if (typeof value === 'number') throw malformed();
    return value.toString('utf8');
  });

/** The Envelope inside a frame. The body is the last field with a number of 10 or more. */
export function readEnvelope(source: Buffer): Envelope {
  const message = fields(source);
  if (numberOf(message, 1) !== protocolVersion) throw malformed();
  const kind = [...message.keys()].filter((field) => field >= 10).at(-1);
  if (kind === undefined) throw malformed();
  return { request: numberOf(message, 2), kind, body: bytesOf(message, kind) };
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): Buffer[] {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const frames: Buffer[] = [];
    while (rest.length >= 4) {
      const length = rest.readUInt32BE(0);
      if (length > maxFrame) throw malformed();
      if (rest.length < 4 + length) break;
      frames.push(rest.subarray(4, 4 + length));
      rest = rest.subarray(4 + length);
    }
    this.#held = rest;
    return frames;
  }
}
