// What is at the other end of a tunnel, in the tests.
import { once } from 'node:events';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps, type ServerOptions } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import * as tls from 'node:tls';

/** A pre-shared key instead of a certificate: the ClientHello is like any other. */
const psk = Buffer.alloc(32, 7);
const pskOptions = {
  ciphers: 'PSK-AES128-GCM-SHA256',
  maxVersion: 'TLSv1.2',
  minVersion: 'TLSv1.2',
} as const;

export interface Listening {
  readonly port: number;
  /** Connections that arrived. */
  readonly arrived: Socket[];
  readonly close: () => void;
}

async function listening(server: Server, address: string, port: number): Promise<Listening> {
  const arrived: Socket[] = [];
  server.on('connection', (socket: Socket) => {
    arrived.push(socket);
    socket.on('error', () => undefined);
  });
  server.listen(port, address);
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    for (const socket of arrived) socket.destroy();
  };
  return { port: (server.address() as AddressInfo).port, arrived, close };
}

export const tlsEcho = (address: string, port: number): Promise<Listening> =>
  listening(
    tls.createServer({ ...pskOptions, pskCallback: () => psk }, (socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    }),
    address,
    port,
  );

export const plain = (address: string, port: number, talk: (socket: Socket) => void): Promise<Listening> =>
  listening(createServer({ allowHalfOpen: true }, talk), address, port);

export const http = (address: string, port: number, listener: RequestListener): Promise<Listening> =>
  listening(createHttp(listener), address, port);

export const https = (
  address: string,
  port: number,
  options: ServerOptions,
  listener: RequestListener,
): Promise<Listening> => listening(createHttps(options, listener), address, port);

/** Begins TLS over a connection that is there already; rejects with the alert's error. */
export function startTls(socket: Socket, servername?: string): Promise<tls.TLSSocket> {
  const secure = tls.connect({
    socket,
    ...pskOptions,
    ...(servername === undefined ? {} : { servername }),
    pskCallback: () => ({ psk, identity: 'test' }),
    checkServerIdentity: () => undefined,
    rejectUnauthorized: false,
  });
  return new Promise((resolve, reject) => {
    secure.once('secureConnect', () => resolve(secure));
    secure.once('error', reject);
    secure.once('close', () => reject(new Error('closed')));
  });
}
