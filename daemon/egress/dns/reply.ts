// DNS answers to the sandbox, and questions to the upstream resolver. Answers are made from nothing: no byte of an upstream
// answer is copied, names in the answer are the name that was asked (CNAME chains are flattened).
import { decode, encode, type Packet } from 'dns-packet';
import type { Query } from './query.ts';
import { typeA } from './query.ts';

export const rcode = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const;
/** Extended DNS errors, RFC 8914. */
export const ede = { blocked: 15, prohibited: 18, networkError: 23 } as const;

export interface Reply {
  readonly rcode: number;
  readonly addresses?: readonly string[];
  /** Seconds. */
  readonly ttl?: number;
  /** Shown to clients that speak EDNS. */
  readonly error?: { readonly code: number; readonly text: string };
}

const recursionAvailable = 0x80;
const recursionDesired = 0x100;
const truncated = 0x200;

/** Encodes an answer of at most `limit` bytes; one that does not fit is empty with TC set, and the client asks over TCP. */
export function encodeReply(query: Query, reply: Reply, limit: number): Buffer {
  const records = (reply.addresses ?? []).map((address) => addressRecord(query, address, reply.ttl ?? 1));
  const full = assemble(query, reply, records, 0);
  return full.length <= limit ? full : assemble(query, { rcode: reply.rcode }, [], truncated);
}

function assemble(query: Query, reply: Reply, records: readonly Buffer[], extraFlags: number): Buffer {
  const opt = query.udpSize === undefined ? [] : [optRecord(reply.error)];
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.id, 0);
  const asked = query.recursionDesired ? recursionDesired : 0;
  header.writeUInt16BE(0x8000 | asked | recursionAvailable | extraFlags | reply.rcode, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt16BE(opt.length, 10);
  return Buffer.concat([header, query.question, ...records, ...opt]);
}

/** The owner is a pointer to the question at offset 12. */
function addressRecord(query: Query, address: string, ttl: number): Buffer {
  const data = query.type === typeA ? bytesOf(address, 'A') : bytesOf(address, 'AAAA');
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(query.type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** The library's address codec, by encoding one record with the root as owner (1 + 2 + 2 + 4 + 2 bytes before the data). */
function bytesOf(address: string, type: 'A' | 'AAAA'): Buffer {
  const packet = encode({ type: 'response', answers: [{ type, name: '.', data: address }] });
  return packet.subarray(12 + 11);
}

function optRecord(error: Reply['error']): Buffer {
  const text = Buffer.from((error?.text ?? '').slice(0, 200), 'utf8');
  const option = error === undefined ? Buffer.alloc(0) : Buffer.alloc(6 + text.length);
  if (error !== undefined) {
    option.writeUInt16BE(15, 0);
    option.writeUInt16BE(2 + text.length, 2);
    option.writeUInt16BE(error.code, 4);
    text.copy(option, 6);
  }
  const head = Buffer.alloc(11);
  head.writeUInt16BE(41, 1);
  head.writeUInt16BE(1232, 3);
  head.writeUInt16BE(option.length, 9);
  return Buffer.concat([head, option]);
}

/** An answer without a question, to bytes of which only the id could be read. */
export function bareReply(id: number, code: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x8000 | code, 2);
  return header;
}

export function encodeQuestion(id: number, name: string, type: 'A' | 'AAAA'): Buffer {
  const packet: Packet = {
    type: 'query',
    id,
    flags: recursionDesired,
    questions: [{ type, name, class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  };
  return encode(packet);
}

/** Bytes and records of an upstream answer that are looked at. */
const maxAnswer = 16 * 1024;
const maxRecords = 128;
const maxChain = 8;
const maxAddresses = 16;

export type Upstream =
  | {
      readonly kind: 'answer';
      readonly rcode: number;
      readonly addresses: readonly string[];
      readonly ttl: number;
    }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'unusable'; readonly reason: string };

/** Reads an upstream answer to (id, name, type). Never throws. */
export function decodeAnswer(bytes: Buffer, id: number, name: string, type: 'A' | 'AAAA'): Upstream {
  const unusable = (reason: string): Upstream => ({ kind: 'unusable', reason });
  if (bytes.length < 12 || bytes.length > maxAnswer) return unusable('size out of bounds');
  if (bytes.readUInt16BE(0) !== id || (bytes.readUInt16BE(2) & 0xf800) !== 0x8000)
    return unusable('not the answer');
  for (const offset of [4, 6, 8, 10])
    if (bytes.readUInt16BE(offset) > maxRecords) return unusable('too many records');
  try {
    const packet = decode(bytes);
    const asked = packet.questions?.[0];
    if (packet.questions?.length !== 1 || asked?.type !== type || sameName(asked.name) !== name)
      return unusable('an answer to another question');
    if ((bytes.readUInt16BE(2) & truncated) !== 0) return { kind: 'truncated' };
    return { kind: 'answer', rcode: bytes.readUInt16BE(2) & 0xf, ...chain(packet, name, type) };
  } catch (error) {
    return unusable(error instanceof Error ? error.message : String(error));
  }
}

const sameName = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** Follows CNAMEs inside this answer only. The TTL is the smallest on the way. */
function chain(packet: Packet, name: string, type: 'A' | 'AAAA'): { addresses: string[]; ttl: number } {
  let owner = name;
  let ttl = Number.MAX_SAFE_INTEGER;
  const answers = packet.answers ?? [];
  for (let step = 0; step <= maxChain; step++) {
    const addresses: string[] = [];
    let next: string | undefined;
    for (const record of answers) {
      if (!('name' in record) || sameName(record.name) !== owner) continue;
      if (record.type === 'CNAME') next ??= sameName(record.data);
      else if (record.type !== type) continue;
      else addresses.push(record.data);
      if (record.type === type || sameName(record.data) === next) ttl = Math.min(ttl, ttlOf(record.ttl));
    }
    if (addresses.length > 0) return { addresses: addresses.slice(0, maxAddresses), ttl };
    if (next === undefined) break;
    owner = next;
  }
  return { addresses: [], ttl: 0 };
}

const ttlOf = (ttl: unknown): number => (typeof ttl === 'number' && ttl < 0x80000000 ? ttl : 0);
