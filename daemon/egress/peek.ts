// What a client says first. Decides only what kind of bytes these are; nothing here permits anything.
import type { Socket } from 'node:net';
import { parseHead, type Head } from './http-head.ts';
import { looksLikeTls, maxHello, parseHello, type Hello } from './tls-hello.ts';

export type Peek =
  | { readonly kind: 'tls'; readonly hello: Exclude<Hello, { status: 'more' }> }
  | { readonly kind: 'http'; readonly head: Exclude<Head, { status: 'more' }> }
  /** Neither: some other protocol in which the client speaks first. */
  | { readonly kind: 'opaque' }
  /** Nothing was said in time, or nothing whole. `empty`: not one byte. */
  | { readonly kind: 'silent'; readonly empty: boolean; readonly ended: boolean };

/** A verdict on the bytes so far; undefined: more are needed. */
export function classify(bytes: Buffer): Peek | undefined {
  if (bytes.length === 0) return undefined;
  if (looksLikeTls(bytes)) {
    const hello = parseHello(bytes);
    if (hello.status !== 'more') return { kind: 'tls', hello };
    return bytes.length > 2 * maxHello
      ? { kind: 'tls', hello: { status: 'bad', reason: 'a ClientHello that is too long' } }
      : undefined;
  }
  const http = looksLikeHttp(bytes);
  if (http === undefined) return undefined;
  if (!http) return { kind: 'opaque' };
  const head = parseHead(bytes);
  return head.status === 'more' ? undefined : { kind: 'http', head };
}

const longestLine = 8192 + 64;
/** Pieces in which first words may come: every piece costs a look at all of them. */
const maxPieces = 256;

/**
 * Would some HTTP server, however lenient, read this as a request? Undefined: not enough to tell. White space before the
 * request line is skipped by many; HTTP/2 with prior knowledge begins like a request line.
 */
function looksLikeHttp(bytes: Buffer): boolean | undefined {
  const text = bytes.subarray(0, longestLine).latin1Slice();
  const start = text.search(/[^\r\n\t ]/);
  if (start < 0) return text.length < longestLine ? undefined : true;
  const line = text.slice(start);
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}($|[ \t])/.test(line)) return false;
  const stop = line.search(/[\r\n]/);
  const whole = stop < 0 ? line : line.slice(0, stop);
  if (whole.includes('\0')) return false;
  if (stop < 0) return text.length < longestLine ? undefined : true;
  return /\bHTTP\b/i.test(whole);
}

/**
 * Reads until the bytes are classified, the deadline passes or the client ends. The socket is paused before and after;
 * everything read is in `bytes`.
 */
export class Peeker {
  bytes: Buffer = Buffer.alloc(0);
  private pieces = 0;
  private readonly socket: Socket;
  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** `quiet`: give up after this many milliseconds when nothing at all was said. `deadline`: in any case. */
  read(quiet: number, deadline: number): Promise<Peek> {
    const { socket } = this;
    return new Promise((resolve) => {
      const finish = (peek: Peek): void => {
        clearTimeout(quietTimer);
        clearTimeout(deadlineTimer);
        socket.off('data', onData);
        socket.off('end', onEnd);
        socket.off('close', onEnd);
        socket.pause();
        resolve(peek);
      };
      const silent = (ended: boolean): void =>
        finish({ kind: 'silent', empty: this.bytes.length === 0, ended });
      const onEnd = (): void => silent(true);
      const onData = (chunk: Buffer): void => {
        clearTimeout(quietTimer);
        this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
        const peek = classify(this.bytes);
        this.pieces += 1;
        if (peek !== undefined) finish(peek);
        else if (this.pieces >= maxPieces) silent(false);
      };
      const quietTimer = setTimeout(() => silent(false), quiet);
      const deadlineTimer = setTimeout(() => silent(false), deadline);
      socket.on('data', onData);
      socket.once('end', onEnd);
      socket.once('close', onEnd);
      const known = classify(this.bytes);
      if (known !== undefined) finish(known);
      else if (socket.readableEnded || socket.destroyed) silent(true);
      else socket.resume();
    });
  }
}
