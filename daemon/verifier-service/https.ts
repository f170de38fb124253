// The service's door: HTTPS, small requests, bounded in number, size and time.
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CordonError } from '../model/mod.ts';
import { maxRequest, serveRequest } from './service.ts';
import type { Answer, ServiceParts } from './service.ts';

export interface Door {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** PEM. */
  readonly certificate: string;
  readonly privateKey: string;
}

export interface Serving {
  readonly port: number;
  close(): Promise<void>;
}

/** Milliseconds for a whole request; connections at a time. */
const patience = 15_000;
const maxConnections = 256;

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxRequest) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

const tooLarge: Answer = {
  status: 413,
  body: '{"error":{"code":"limit","message":"the request is too large"}}',
};

async function handle(
  parts: ServiceParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await bodyOf(request);
  const { dpop, 'content-type': contentType } = request.headers;
  // A field that comes twice is none.
  const headers = { contentType, dpop: typeof dpop === 'string' ? dpop : undefined };
  const {
    status,
    body: text,
    type = 'application/json',
  } = body === undefined
    ? tooLarge
    : await serveRequest(parts, request.method ?? '', request.url ?? '', body, headers);
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(text);
}

/** `partsAt`: what serves at the port that was taken. */
export async function serveHttps(partsAt: (port: number) => ServiceParts, door: Door): Promise<Serving> {
  const { host, port, certificate, privateKey } = door;
  const server = createServer({
    cert: certificate,
    key: privateKey,
    minVersion: 'TLSv1.3',
    handshakeTimeout: patience,
  });
  server.requestTimeout = patience;
  server.headersTimeout = patience;
  server.maxConnections = maxConnections;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', (cause) =>
    reject(new CordonError('unavailable', `cannot listen at ${host}:${port}: ${cause.message}`, { cause })),
  );
  server.listen(port, host, () => resolve(undefined));
  await promise;
  const taken = (server.address() as AddressInfo).port;
  const parts = partsAt(taken);
  server.on(
    'request',
    (request, response) => void handle(parts, request, response).catch(() => response.destroy()),
  );
  return {
    port: taken,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
