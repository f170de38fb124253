// Native memory with stable addresses. Small JavaScript buffers live on V8's heap and may move; what the kernel writes
// into (or keeps a pointer to) must not. An arena is one malloc'ed block with a typed view.
import koffi from 'koffi';

export class Arena {
  readonly address: bigint;
  readonly view: DataView;
  readonly bytes: Buffer;
  readonly size: number;
  constructor(size: number) {
    this.size = size;
    this.address = koffi.alloc('uint8_t', size) as bigint;
    const buffer = koffi.view(this.address, size);
    this.view = new DataView(buffer);
    this.bytes = Buffer.from(buffer);
    this.bytes.fill(0);
  }
  /** Gives the memory back. The arena must not be used after it. */
  free(): void {
    koffi.free(this.address);
  }
  at(offset: number): bigint {
    return this.address + BigInt(offset);
  }
  /** Copies a byte string (one char a byte) plus NUL to `offset`; returns its address. Throws RangeError when it does not fit `max`. */
  cstring(offset: number, text: string, max = 4096): bigint {
    if (text.length + 1 > max || offset + text.length + 1 > this.size)
      throw new RangeError(`string of ${String(text.length)} bytes does not fit`);
    this.bytes.latin1Write(text, offset, text.length);
    this.bytes[offset + text.length] = 0;
    return this.address + BigInt(offset);
  }
  /** The byte string at `offset`, up to a NUL or `max`. */
  text(offset: number, max: number): string {
    const end = this.bytes.indexOf(0, offset);
    return this.bytes.latin1Slice(offset, end < 0 || end > offset + max ? offset + max : end);
  }
  u64(offset: number): number {
    return this.view.getUint32(offset + 4, true) * 4294967296 + this.view.getUint32(offset, true);
  }
}
