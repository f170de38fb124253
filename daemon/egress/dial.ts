// Opens the connection to the address that was judged: a literal, so no lookup happens on the way.
import { connect, type Socket } from 'node:net';
import type { Destination } from './judge.ts';

/** Milliseconds. */
const dialDeadline = 30_000;

export interface Dialing {
  readonly server: Socket;
  /** Undefined once connected (and paused); else the name of the error. */
  readonly done: Promise<string | undefined>;
}

/** Gives up when `client` goes away. */
export function dial(to: Destination, client: Socket): Dialing {
  const server = connect({ host: to.address, port: to.port, allowHalfOpen: true, noDelay: true });
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
      server.pause();
      finish(undefined);
    });
    server.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    server.once('close', onClose);
    client.once('close', onClose);
    if (client.destroyed) finish('ECONNABORTED');
  });
  return { server, done };
}
