// CRC-32 as journals have it (IEEE 802.3), of bytes as they are put down one after the other. What stays the same from
// one record to the next is not gone through again: after any state, so many bytes do the same to it.
import { crc32 } from 'node:zlib';

/** What a byte does to a state whose other bits are 0. */
const ofByte = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let state = byte;
  for (let bit = 0; bit < 8; bit++) state = (state >>> 1) ^ (state & 1 ? 0xedb88320 : 0);
  ofByte[byte] = state;
}

/** Before the first byte. The checksum is the state after the last one, with every bit turned. */
export const firstState = -1;

export const checksumOf = (state: number): number => ~state >>> 0;

export const afterByte = (state: number, byte: number): number =>
  (ofByte[(state ^ byte) & 0xff] ?? 0) ^ (state >>> 8);

/** Of more bytes than this, the one that goes through all of them at once is quicker. */
const long = 512;

/** After the bytes at `from` to below `to`. */
export function afterBytes(state: number, bytes: Buffer, from: number, to: number): number {
  if (to - from > long) return ~crc32(bytes.subarray(from, to), checksumOf(state));
  let now = state;
  for (let at = from; at < to; at++) now = afterByte(now, bytes[at] ?? 0);
  return now;
}

/** What so many zero bytes make of a state, four bits of it at a time. */
const zeros = new Map<number, Int32Array>();
/** Lengths that are remembered, half a KiB each; when there are more, all are forgotten. */
const most = 128;

function afterZeros(length: number): Int32Array {
  const known = zeros.get(length);
  if (known !== undefined) return known;
  const made = new Int32Array(128);
  for (let bit = 0; bit < 32; bit++) {
    let state = 1 << bit;
    for (let i = 0; i < length; i++) state = afterByte(state, 0);
    made[(bit >> 2) * 16 + (1 << (bit & 3))] = state;
  }
  for (let at = 0; at < 128; at++) {
    const lowest = at & 15 & -(at & 15);
    if (lowest !== (at & 15)) made[at] = (made[at - lowest] ?? 0) ^ (made[(at & ~15) + lowest] ?? 0);
  }
  if (zeros.size >= most) zeros.clear();
  zeros.set(length, made);
  return made;
}

/** Bytes that come in many records. The second record with them makes the third quick. */
export class Constant {
  readonly bytes: Buffer;
  #uses = 0;
  #own = 0;
  #zeros: Int32Array | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** The state after them. */
  after(state: number): number {
    const z = this.#zeros;
    if (z === undefined) return this.#slowlyAfter(state);
    return (
      this.#own ^
      (z[state & 15] ?? 0) ^
      (z[16 + ((state >>> 4) & 15)] ?? 0) ^
      (z[32 + ((state >>> 8) & 15)] ?? 0) ^
      (z[48 + ((state >>> 12) & 15)] ?? 0) ^
      (z[64 + ((state >>> 16) & 15)] ?? 0) ^
      (z[80 + ((state >>> 20) & 15)] ?? 0) ^
      (z[96 + ((state >>> 24) & 15)] ?? 0) ^
      (z[112 + (state >>> 28)] ?? 0)
    );
  }

  #slowlyAfter(state: number): number {
    this.#uses += 1;
    if (this.#uses > 1 && this.bytes.length <= long) {
      this.#own = afterBytes(0, this.bytes, 0, this.bytes.length);
      this.#zeros = afterZeros(this.bytes.length);
    }
    return afterBytes(state, this.bytes, 0, this.bytes.length);
  }
}
