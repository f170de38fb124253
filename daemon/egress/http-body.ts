// Where the body of a request ends. Consumes bytes, changes none.
import type { Body } from './http-head.ts';

const maxSizeLine = 18;

export type Eaten =
  /** `size` bytes belong to the body; `done`: the next byte is the next request's. */
  { readonly size: number; readonly done: boolean } | { readonly bad: string };

/** Gets the content of a body, without its framing. */
export type Content = (piece: Buffer) => void;

/** Strict chunked framing (RFC 9112 section 7.1): no extensions, no trailers. */
export class BodyReader {
  private left: number;
  private readonly chunked: boolean;
  private state: 'size' | 'data' | 'data-end' | 'last-end' = 'size';
  private line = '';
  constructor(body: Body) {
    this.chunked = body.kind === 'chunked';
    this.left = body.kind === 'length' ? body.length : 0;
  }

  eat(bytes: Buffer, content?: Content): Eaten {
    if (this.chunked) return this.eatChunks(bytes, content);
    const size = Math.min(this.left, bytes.length);
    this.left -= size;
    content?.(bytes.subarray(0, size));
    return { size, done: this.left === 0 };
  }

  private eatChunks(bytes: Buffer, content: Content | undefined): Eaten {
    let at = 0;
    while (at < bytes.length) {
      if (this.state === 'data') {
        const size = Math.min(this.left, bytes.length - at);
        this.left -= size;
        content?.(bytes.subarray(at, at + size));
        at += size;
        if (this.left === 0) this.state = 'data-end';
        continue;
      }
      this.line += String.fromCharCode(bytes[at]!);
      at += 1;
      const wrong = this.lineSoFar();
      if (wrong !== undefined) return { bad: wrong };
      if (!this.line.endsWith('\r\n')) continue;
      if (this.state === 'last-end') return { size: at, done: true };
      this.nextState();
    }
    return { size: at, done: false };
  }

  private lineSoFar(): string | undefined {
    const shape = this.state === 'size' ? /^[0-9a-fA-F]{0,12}(?:[0-9a-fA-F]\r\n?)?$/ : /^\r?$|^\r\n$/;
    return this.line.length <= maxSizeLine && shape.test(this.line) ? undefined : 'malformed chunked framing';
  }

  private nextState(): void {
    if (this.state === 'size') {
      this.left = parseInt(this.line, 16);
      this.state = this.left === 0 ? 'last-end' : 'data';
    } else this.state = 'size';
    this.line = '';
  }
}
