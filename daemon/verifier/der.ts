// As much DER as it takes to see which extensions of a certificate are critical: node:crypto parses, verifies and
// matches names, and says nothing of those.
import { CordonError } from '../model/mod.ts';

const broken = (): CordonError => new CordonError('protocol', 'the certificate is not well-formed DER');

interface Element {
  readonly tag: number;
  readonly content: Buffer;
  readonly rest: Buffer;
}

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  oid: 0x06,
  sequence: 0x30,
  extensions: 0xa3,
  version: 0xa0,
} as const;

function element(bytes: Buffer): Element {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) throw broken();
  const long = first & 0x80 ? first & 0x7f : 0;
  if (first === 0x80 || long > 3 || bytes.length < 2 + long) throw broken();
  const length = long === 0 ? first : bytes.readUIntBE(2, long);
  const end = 2 + long + length;
  if (end > bytes.length) throw broken();
  return { tag, content: bytes.subarray(2 + long, end), rest: bytes.subarray(end) };
}

function elements(bytes: Buffer): Element[] {
  const all: Element[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const next = element(rest);
    all.push(next);
    rest = next.rest;
  }
  return all;
}

const within = (bytes: Buffer, tag: number): Buffer => {
  const found = elements(bytes).find((each) => each.tag === tag);
  if (found === undefined) throw broken();
  return found.content;
};

/** `2.5.29.19`. */
function oidText(bytes: Buffer): string {
  const numbers: bigint[] = [];
  let value = 0n;
  for (const byte of bytes) {
    value = (value << 7n) | BigInt(byte & 0x7f);
    if ((byte & 0x80) !== 0) continue;
    numbers.push(value);
    value = 0n;
  }
  const [first = 0n, ...others] = numbers;
  const top = first < 80n ? first / 40n : 2n;
  return [top, first - top * 40n, ...others].join('.');
}

/** Object identifiers of the extensions that a certificate (DER) marks as critical. */
export function criticalExtensions(der: Buffer): string[] {
  const certificate = within(der, TAG.sequence);
  const body = element(certificate);
  if (body.tag !== TAG.sequence) throw broken();
  const extensions = elements(body.content).find(({ tag }) => tag === TAG.extensions);
  if (extensions === undefined) return [];
  return elements(within(extensions.content, TAG.sequence)).flatMap(({ content }) => {
    const [oid, critical] = elements(content);
    if (oid?.tag !== TAG.oid) throw broken();
    return critical?.tag === TAG.boolean && critical.content[0] !== 0 ? [oidText(oid.content)] : [];
  });
}

/** Length of the DER value that `bytes` begins with: NV areas are padded after it. */
export function derLength(bytes: Buffer): number {
  return bytes.length - element(bytes).rest.length;
}
