// TPM structures are big-endian, counted, and never self-describing. The reader trusts no count: whatever does not fit
// is a TpmWireError, and what is left over is one too.

/** Bytes that are no TPM structure of the kind expected. */
export class TpmWireError extends Error {
  constructor(message: string) {
    super(`TPM structure: ${message}`);
    this.name = 'TpmWireError';
  }
}

const u8 = (value: number): Buffer => Buffer.of(value);
function u16(value: number): Buffer {
  const out = Buffer.allocUnsafe(2);
  out.writeUInt16BE(value);
  return out;
}
function u32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(value >>> 0);
  return out;
}
function u64(value: bigint): Buffer {
  const out = Buffer.allocUnsafe(8);
  out.writeBigUInt64BE(value);
  return out;
}
/** TPM2B: a 16-bit count, then the bytes. */
const sized = (bytes: Uint8Array): Buffer => Buffer.concat([u16(bytes.length), bytes]);

export const put = { u8, u16, u32, u64, sized };
export const concat = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
export const empty: Buffer = Buffer.alloc(0);

/** No structure of ours is larger: a TPM's own buffers hold 4 KiB. */
export const maxStructure = 8192;

export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  /** Copies: the caller's bytes may change. */
  constructor(bytes: Uint8Array, limit = maxStructure) {
    if (bytes.length > limit) throw new TpmWireError(`${bytes.length} bytes, more than ${limit}`);
    this.#bytes = Buffer.from(bytes);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #take(count: number): number {
    if (count > this.left) throw new TpmWireError(`${count} bytes wanted, ${this.left} left`);
    this.#at += count;
    return this.#at - count;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }
  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }
  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }
  u64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8));
  }
  bytes(count: number): Buffer {
    const at = this.#take(count);
    return Buffer.from(this.#bytes.subarray(at, at + count));
  }
  /** TPM2B of at most `limit` bytes. */
  sized(limit = maxStructure): Buffer {
    const count = this.u16();
    if (count > limit) throw new TpmWireError(`a field of ${count} bytes, more than ${limit}`);
    return this.bytes(count);
  }
  rest(): Buffer {
    return this.bytes(this.left);
  }
  end(): void {
    if (this.left > 0) throw new TpmWireError(`${this.left} bytes too many`);
  }
}
