// The question of a DNS query from the sandbox: hostile bytes. Parsed by hand, because it is so little: one question, no
// compression, bounds before everything. RFC 1035 section 4, EDNS: RFC 6891.
export const typeA = 1;
export const typePtr = 12;
export const typeAaaa = 28;
export const typeOpt = 41;
export const typeSvcb = 64;
export const typeHttps = 65;

/** Bytes: a question (12 + 255 + 4) with an OPT record and its options. */
export const maxQuery = 1232;

export interface Query {
  readonly id: number;
  /** Lower case, no trailing dot; bytes that are not letters, digits, `-` or `_` appear as `\ddd` (RFC 4343). */
  readonly name: string;
  readonly type: number;
  /** The question as it stood in the query, to be sent back. */
  readonly question: Buffer;
  readonly recursionDesired: boolean;
  /** What the client takes over UDP, 512..1232; undefined without EDNS. */
  readonly udpSize: number | undefined;
}

export type Parsed =
  | { readonly ok: true; readonly query: Query }
  | { readonly ok: false; readonly id: number | undefined; readonly reason: string };

const classIn = 1;

/** Never throws and never reads outside `bytes`. `id` is undefined when the bytes deserve no answer at all. */
export function parseQuery(bytes: Buffer): Parsed {
  const bad = (reason: string, id?: number): Parsed => ({ ok: false, id, reason });
  if (bytes.length < 12) return bad('shorter than a DNS header');
  if (bytes.length > maxQuery) return bad('longer than a question can be');
  const id = bytes.readUInt16BE(0);
  const flags = bytes.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return bad('a response, not a query');
  if ((flags & 0x7800) !== 0) return bad('an operation other than a query', id);
  if (bytes.readUInt16BE(4) !== 1) return bad('not exactly one question', id);
  if (bytes.readUInt32BE(6) !== 0) return bad('records in a query', id);
  const additional = bytes.readUInt16BE(10);
  if (additional > 1) return bad('more than one additional record', id);
  const name = parseName(bytes, 12);
  if (name === undefined || name.end + 4 > bytes.length) return bad('a malformed question', id);
  const end = name.end + 4;
  if (bytes.readUInt16BE(name.end + 2) !== classIn) return bad('a class other than IN', id);
  const udpSize = additional === 1 ? parseOpt(bytes, end) : undefined;
  if (additional === 1 ? udpSize === undefined : end !== bytes.length) return bad('trailing bytes', id);
  return {
    ok: true,
    query: {
      id,
      name: name.text,
      type: bytes.readUInt16BE(name.end),
      question: Buffer.from(bytes.subarray(12, end)),
      recursionDesired: (flags & 0x0100) !== 0,
      udpSize,
    },
  };
}

/** An uncompressed name of at most 255 bytes; undefined when it is not one. */
function parseName(
  bytes: Buffer,
  start: number,
): { readonly text: string; readonly end: number } | undefined {
  const labels: string[] = [];
  let at = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return undefined;
    at += 1;
    if (length === 0) return { text: labels.join('.'), end: at };
    if (at + length >= bytes.length || at + length - start > 254) return undefined;
    labels.push(labelText(bytes.subarray(at, at + length)));
    at += length;
  }
}

function labelText(label: Buffer): string {
  let out = '';
  for (const byte of label) {
    const char = String.fromCharCode(byte).toLowerCase();
    out += /[a-z0-9_-]/.test(char) ? char : `\\${byte.toString().padStart(3, '0')}`;
  }
  return out;
}

/** The client's UDP size from an OPT record that must end the message; undefined when it is not one. */
function parseOpt(bytes: Buffer, at: number): number | undefined {
  if (at + 11 > bytes.length || bytes[at] !== 0 || bytes.readUInt16BE(at + 1) !== typeOpt) return undefined;
  if (at + 11 + bytes.readUInt16BE(at + 9) !== bytes.length) return undefined;
  return Math.min(1232, Math.max(512, bytes.readUInt16BE(at + 3)));
}

const typeNames: Readonly<Record<number, string>> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  6: 'SOA',
  10: 'NULL',
  12: 'PTR',
  15: 'MX',
  16: 'TXT',
  28: 'AAAA',
  33: 'SRV',
  35: 'NAPTR',
  64: 'SVCB',
  65: 'HTTPS',
  251: 'IXFR',
  252: 'AXFR',
  255: 'ANY',
};
export const typeName = (type: number): string => typeNames[type] ?? `TYPE${type}`;
