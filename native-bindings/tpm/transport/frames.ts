// What the transport's process and its parent say to each other: u32 LE length, then as many bytes. Answers begin with
// one byte that says what follows.
import { maxMessage } from './transport.ts';

export const ANSWER = { response: 0, failure: 1 } as const;
export const lengthSize = 4;
const noLength = Buffer.alloc(lengthSize);
/** Response or text of a failure, with the byte before it. */
export const maxFrame = maxMessage + 1;

export function frame(...parts: readonly Uint8Array[]): Buffer {
  const framed = Buffer.concat([noLength, ...parts]);
  framed.writeUInt32LE(framed.length - lengthSize);
  return framed;
}

/** Whole frames out of a stream's chunks. Throws when a length is out of bounds. */
export function deframer(limit: number): (chunk: Buffer) => Buffer[] {
  let held: Buffer = Buffer.alloc(0);
  return (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const frames: Buffer[] = [];
    while (held.length >= lengthSize) {
      const length = held.readUInt32LE(0);
      if (length > limit) throw new RangeError(`a frame of ${length} bytes, more than ${limit}`);
      if (held.length < lengthSize + length) break;
      frames.push(Buffer.from(held.subarray(lengthSize, lengthSize + length)));
      held = held.subarray(lengthSize + length);
    }
    // The chunk is its owner's to use again.
    held = Buffer.from(held);
    return frames;
  };
}
