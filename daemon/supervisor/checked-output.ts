// Text put into a buffer piece by piece, and its CRC-32 with it.
import { afterByte, afterBytes, checksumOf, firstState } from './checksum.ts';
import type { Constant } from './checksum.ts';
import { quoted } from './record-text.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const MAX_INT = 0x7fff_ffff;
/** Longer texts are written by the one that writes any. */
const SHORT = 256;

/** Writes the decimal digits of `value` so that they end before `end`; returns where they begin. */
export function digitsBefore(target: Uint8Array, end: number, value: number): number {
  let at = end;
  let left = value;
  for (; left > MAX_INT; left = Math.floor(left / 10)) target[--at] = ZERO + (left % 10);
  do {
    const tenth = (left / 10) | 0;
    target[--at] = ZERO + left - tenth * 10;
    left = tenth;
  } while (left !== 0);
  return at;
}

/** Whoever puts something has seen to it that there is room. */
export class CheckedOutput {
  #target: Buffer = Buffer.alloc(0);
  #state = firstState;
  /** Where the next piece goes. */
  end = 0;

  /** From here on it is another text. */
  begin(target: Buffer, start: number): void {
    this.#target = target;
    this.#state = firstState;
    this.end = start;
  }

  /** CRC-32 of the text so far. */
  get checksum(): number {
    return checksumOf(this.#state);
  }

  constant(constant: Constant): void {
    const { bytes } = constant;
    this.#target.set(bytes, this.end);
    this.#state = constant.after(this.#state);
    this.end += bytes.length;
  }

  /** The decimal digits of a whole number that is not negative. */
  number(value: number): void {
    let end = this.end + 1;
    for (let beyond = 10; beyond <= value; beyond *= 10) end++;
    digitsBefore(this.#target, end, value);
    this.#checkTo(end);
  }

  text(text: string): void {
    this.#checkTo(this.end + this.#target.utf8Write(text, this.end));
  }

  /** As JSON. */
  quoted(text: string): void {
    if (text.length > SHORT || !this.#plain(text)) this.text(quoted(text));
  }

  /** False, and nothing is put, when it is not ASCII that JSON says as it is. */
  #plain(text: string): boolean {
    const target = this.#target;
    let at = this.end;
    let state = afterByte(this.#state, QUOTE);
    target[at++] = QUOTE;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code < 0x20 || code > 0x7e || code === QUOTE || code === BACKSLASH) return false;
      target[at++] = code;
      state = afterByte(state, code);
    }
    target[at++] = QUOTE;
    this.#state = afterByte(state, QUOTE);
    this.end = at;
    return true;
  }

  #checkTo(end: number): void {
    this.#state = afterBytes(this.#state, this.#target, this.end, end);
    this.end = end;
  }
}
