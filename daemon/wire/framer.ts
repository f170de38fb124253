// Frames in a byte stream: a 4-byte big-endian length, then that many bytes. A frame's memory grows as its bytes
// arrive, so that announcing a large frame costs the peer as much as it costs us.
import { CordonError } from '../model/mod.ts';
import { maxEnvelope } from './message.ts';

const headerSize = 4;
const firstAllocation = 4096;

/** The length prefix and the payload, ready to be written. */
export function frame(payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(headerSize + payload.length);
  out.writeUInt32BE(payload.length, 0);
  out.set(payload, headerSize);
  return out;
}

export class Framer {
  readonly #max: number;
  readonly #header = Buffer.alloc(headerSize);
  #headerBytes = 0;
  #length = 0;
  #payload: Buffer = Buffer.alloc(0);
  #payloadBytes = 0;

  constructor(max = maxEnvelope) {
    this.#max = max;
  }

  /** True when a frame has begun and not ended. */
  get partial(): boolean {
    return this.#headerBytes > 0;
  }

  /**
   * Takes bytes in, calls `deliver` with each complete frame in order. The frame is a copy that is the receiver's.
   * Throws CordonError('protocol') for an empty frame or one over the cap: the stream cannot be used after that.
   */
  push(chunk: Uint8Array, deliver: (payload: Buffer) => void): void {
    let at = 0;
    while (at < chunk.length) {
      at += this.#headerBytes < headerSize ? this.#takeHeader(chunk, at) : this.#takePayload(chunk, at);
      if (this.#headerBytes === headerSize && this.#payloadBytes === this.#length) deliver(this.#finish());
    }
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const taken = Math.min(headerSize - this.#headerBytes, chunk.length - at);
    this.#header.set(chunk.subarray(at, at + taken), this.#headerBytes);
    this.#headerBytes += taken;
    if (this.#headerBytes === headerSize) this.#begin(this.#header.readUInt32BE(0));
    return taken;
  }

  #begin(length: number): void {
    if (length === 0 || length > this.#max)
      throw new CordonError('protocol', `a frame of ${length} bytes is not between 1 and ${this.#max}`);
    this.#length = length;
    this.#payloadBytes = 0;
    this.#payload = Buffer.allocUnsafeSlow(Math.min(length, firstAllocation));
  }

  #takePayload(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#length - this.#payloadBytes, chunk.length - at);
    this.#reserve(this.#payloadBytes + taken);
    this.#payload.set(chunk.subarray(at, at + taken), this.#payloadBytes);
    this.#payloadBytes += taken;
    return taken;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#payload.length) return;
    const size = Math.min(this.#length, Math.max(bytes, this.#payload.length * 2));
    const grown = Buffer.allocUnsafeSlow(size);
    grown.set(this.#payload.subarray(0, this.#payloadBytes));
    this.#payload = grown;
  }

  #finish(): Buffer {
    const done = this.#payload.subarray(0, this.#length);
    this.#headerBytes = 0;
    this.#length = 0;
    this.#payloadBytes = 0;
    this.#payload = Buffer.alloc(0);
    return done;
  }
}
