// Opens the connection to the address that was judged: a literal, so no lookup happens on the way.
import { connect, type Socket } from 'node:net';
import type { Destination } from './judge.ts';

/** Milliseconds. */
const dialDeadline = 30_000;

/** Bytes of one read. One buffer a connection, used again and again: a fast download must not become garbage. */
const readSize = 64 * 1024;

/** Takes what was read, before the next read overwrites it; false: do not read on until `resume()`. */
export type Take = (chunk: Buffer) => boolean;

export interface Dialing {
  readonly server: Socket;
  /** Whoever joins the socket to another sets this before reading. */
  readonly reading: { take: Take };
  /** Undefined once connected (and paused); else the name of the error. */
  readonly done: Promise<string | undefined>;
  /** Ends it at once; what the kernel still holds is not delivered. */
  reset(): void;
}

/** Gives up when `client` goes away. `owned`: false when something else reads the socket. */
export function dial(to: Destination, client: Socket, owned = true): Dialing {
  const reading: { take: Take } = { take: () => false };
  const server = connect({
    host: to.address,
    port: to.port,
    allowHalfOpen: true,
    noDelay: true,
    ...(owned ? { onread: onreadOf(reading) } : {}),
  });
  const done = new Promise<string | undefined>((resolve) => {
    const finish = (failure: string | undefined): void => {
      clearTimeout(timer);
      server.off('close', onClose);
      client.off('close', onClose);
      if (failure !== undefined) server.destroy();
      resolve(failure);
    };
    const timer = setTimeout(() => finish('ETIMEDOUT'), dialDeadline);
    const onClose = (): void => finish('ECONNABORTED');
    server.once('connect', () => {
      if (owned) server.pause();
      finish(undefined);
    });
    server.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    server.once('close', onClose);
    client.once('close', onClose);
    if (client.destroyed) finish('ECONNABORTED');
  });
  return { server, reading, done, reset: () => void server.resetAndDestroy() };
}

const onreadOf = (reading: Dialing['reading']) => ({
  buffer: Buffer.allocUnsafeSlow(readSize),
  callback: (size: number, buffer: Uint8Array): boolean => reading.take(view(buffer, size)),
});

const view = (buffer: Uint8Array, size: number): Buffer =>
  Buffer.from(buffer.buffer, buffer.byteOffset, size);
