// Dials a unix socket and speaks the protocol on it.
import { createConnection } from 'node:net';
import { CordonError } from '../model/mod.ts';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection.ts';

const fixes: Readonly<Record<string, string>> = {
  ENOENT: 'start the daemon: systemctl start cordond, or sudo cordond',
  ECONNREFUSED: 'the daemon is not running: systemctl start cordond, or sudo cordond',
  EACCES: 'check the permissions of the socket and of the directories above it',
};

/** Fails with CordonError('unavailable'), which says what to do. */
export function connect(path: string, options: ConnectionOptions = {}): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const socket = createConnection(path);
  const fail = (error: NodeJS.ErrnoException): void => {
    const fix = fixes[error.code ?? ''];
    const facts = { cause: error, ...(fix === undefined ? {} : { fix }) };
    reject(
      new CordonError('unavailable', `cannot connect to ${path}: ${error.code ?? error.message}`, facts),
    );
  };
  socket.once('error', fail);
  socket.once('connect', () => {
    socket.off('error', fail);
    resolve(new Connection(socket, options));
  });
  return promise;
}
