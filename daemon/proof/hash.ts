// The hashes of the log (RFC 6962, section 2.1): SHA-256 with a first byte that tells leaves from nodes. A hash is text
// of 32 chars, one a byte: it compares with ===, costs a third of what a Buffer costs to make, and cannot be changed.
import { hash } from 'node:crypto';

/** 32 chars, one a byte. */
export type Hash = string;

export const hashSize = 32;
const sha256 = (bytes: Uint8Array): Hash => hash('sha256', bytes, 'binary');

/** Root of the tree without leaves. */
export const emptyRoot: Hash = sha256(new Uint8Array());
/** The chain before the first leaf. */
export const emptyChain: Hash = '\0'.repeat(hashSize);

// Nothing here is asynchronous: one buffer of each kind is enough.
let leafBuffer = Buffer.alloc(16 * 1024);
const nodeBuffer = Buffer.alloc(1 + 2 * hashSize, 1);
const chainBuffer = Buffer.alloc(2 * hashSize);

/** Of a leaf that is text: SHA-256(0x00 || UTF-8 bytes). */
export function leafHash(text: string): Hash {
  const most = 1 + text.length * 3;
  if (most > leafBuffer.length) leafBuffer = Buffer.alloc(2 * most);
  const length = leafBuffer.utf8Write(text, 1);
  return sha256(leafBuffer.subarray(0, 1 + length));
}

/** Of a leaf that is ASCII and of which both ends are there as bytes. Twice as fast: most of a text's time is in its copies. */
export function leafHashBetween(first: Uint8Array, middle: string, last: Uint8Array): Hash {
  const end = 1 + first.length + middle.length;
  const length = end + last.length;
  if (length > leafBuffer.length) leafBuffer = Buffer.alloc(2 * length);
  leafBuffer.set(first, 1);
  leafBuffer.latin1Write(middle, 1 + first.length);
  leafBuffer.set(last, end);
  return sha256(leafBuffer.subarray(0, length));
}

/** SHA-256(0x00 || bytes). */
export function leafHashOfBytes(bytes: Uint8Array): Hash {
  const prefixed = new Uint8Array(1 + bytes.length);
  prefixed.set(bytes, 1);
  return sha256(prefixed);
}

/** SHA-256(0x01 || left || right). */
export function nodeHash(left: Hash, right: Hash): Hash {
  nodeBuffer.latin1Write(left, 1);
  nodeBuffer.latin1Write(right, 1 + hashSize);
  return sha256(nodeBuffer);
}

/** The chain after one more leaf: SHA-256(chain || leaf hash). */
export function chainHash(chain: Hash, leaf: Hash): Hash {
  chainBuffer.latin1Write(chain, 0);
  chainBuffer.latin1Write(leaf, hashSize);
  return sha256(chainBuffer);
}

export const hashBytes = (value: Hash): Buffer => Buffer.from(value, 'latin1');
export const hashOf = (bytes: Uint8Array): Hash =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).latin1Slice();
export const base64Of = (value: Hash): string => hashBytes(value).toString('base64');
export const hexOf = (value: Hash): string => hashBytes(value).toString('hex');

/** Strict: the one base64 form of 32 bytes. Undefined for anything else. */
export function hashFromBase64(text: string): Hash | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === hashSize && bytes.toString('base64') === text ? hashOf(bytes) : undefined;
}
