// Newline-delimited JSON over an inherited stream, bounded. Both links of the egress process speak it. The peer is the
// supervisor: a line that is too long or not JSON means that something is badly wrong, and the caller ends the process.
import type { Socket } from 'node:net';

/** Bytes of one line on the flow link. */
export const flowLineLimit = 64 * 1024;
/** Bytes of one line on the control link: it carries capability sets. */
export const controlLineLimit = 32 * 1024 * 1024;

export interface LineSink {
  line(value: unknown): void;
  /** The peer broke the protocol, or the stream ended (`ended`). Called once; no line follows it. */
  broken(why: string, ended: boolean): void;
  readonly skipFirst?: boolean;
}

/** Splits a byte stream into lines of at most `limit` bytes. Feed returns false once a line was too long. */
export class LineSplitter {
  private parts: Buffer[] = [];
  private held = 0;
  private readonly limit: number;
  constructor(limit: number) {
    this.limit = limit;
  }
  feed(chunk: Buffer, onLine: (line: Buffer) => boolean): boolean {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(10, from);
      const piece = chunk.subarray(from, end < 0 ? chunk.length : end);
      if (this.held + piece.length > this.limit) return false;
      if (end < 0) {
        if (piece.length > 0) this.parts.push(piece);
        this.held += piece.length;
        return true;
      }
      const line = this.parts.length === 0 ? piece : Buffer.concat([...this.parts, piece]);
      this.parts = [];
      this.held = 0;
      from = end + 1;
      if (!onLine(line)) return true;
    }
  }
}

/** `skipFirst`: a first line that is not JSON is dropped, being the rest of one that somebody else began to read. */
export function readLines(socket: Socket, limit: number, sink: LineSink): void {
  let first = sink.skipFirst === true;
  const splitter = new LineSplitter(limit);
  let open = true;
  const stop = (why: string, ended: boolean): void => {
    if (!open) return;
    open = false;
    sink.broken(why, ended);
  };
  socket.on('data', (chunk: Buffer) => {
    const fits = splitter.feed(chunk, (line) => {
      if (!open) return false;
      const skip = first && !isJson(line);
      first = false;
      if (skip) return true;
      try {
        sink.line(JSON.parse(line.toString('utf8')));
      } catch (error) {
        stop(error instanceof Error ? error.message : String(error), false);
      }
      return open;
    });
    if (!fits) stop(`a line is longer than ${limit} bytes`, false);
  });
  socket.on('end', () => stop('the supervisor closed the link', true));
  socket.on('error', (error) => stop(error.message, true));
  socket.on('close', () => stop('the link was closed', true));
}

function isJson(line: Buffer): boolean {
  try {
    JSON.parse(line.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

/** Writes one line; resolves when the kernel has taken it. */
export function writeLine(socket: Socket, value: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(`${JSON.stringify(value)}\n`, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
