// An OTLP/HTTP logs receiver on a port of its own, strict by the specification, and able to misbehave.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Test } from 'tap';
import { decodeRequest, encodeResponse } from './decode.ts';
import type { LogRecord, LogsRequest } from './decode.ts';

export interface Received extends LogsRequest {
  readonly headers: IncomingMessage['headers'];
}

/** Returns true when it has dealt with the request itself. */
export type Misbehaviour = (
  request: Received,
  response: ServerResponse,
  keep: (count?: number) => void,
) => boolean;

export interface Receiver {
  readonly url: string;
  readonly port: number;
  /** Every request that could be read. */
  readonly requests: readonly Received[];
  /** Records kept, in the order of arrival, repetitions included. */
  readonly records: readonly LogRecord[];
  /** By event id, checkpoints left out, first arrival only. */
  readonly unique: () => readonly LogRecord[];
  /** Requests that a strict receiver refuses, and why. */
  readonly malformed: readonly string[];
  misbehave(how: Misbehaviour | undefined): void;
  close(): Promise<void>;
}

const ok = (response: ServerResponse): void => {
  response.writeHead(200, { 'Content-Type': 'application/x-protobuf' }).end(encodeResponse(0, ''));
};

export async function startReceiver(t: Test, tls?: ServerOptions, port = 0): Promise<Receiver> {
  const requests: Received[] = [];
  const records: LogRecord[] = [];
  const malformed: string[] = [];
  let misbehaviour: Misbehaviour | undefined;

  const answer = (request: IncomingMessage, response: ServerResponse, body: Buffer): void => {
    let read: Received;
    try {
      read = { ...decodeRequest(bodyOf(request, body)), headers: request.headers };
    } catch (error) {
      malformed.push(String(error));
      response.writeHead(400, { 'Content-Type': 'text/plain' }).end(String(error));
      return;
    }
    requests.push(read);
    const keep = (count = read.records.length): void => void records.push(...read.records.slice(0, count));
    if (misbehaviour?.(read, response, keep) === true) return;
    keep();
    ok(response);
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => answer(request, response, Buffer.concat(parts)));
    request.on('error', () => undefined);
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: own } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  t.teardown(close);
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${own}/v1/logs`,
    port: own,
    requests,
    records,
    malformed,
    unique: () =>
      [
        ...new Map(
          records
            .filter(({ eventName }) => eventName !== 'cordon.checkpoint')
            .toReversed()
            .map((record) => [record.attributes['event.id'], record]),
        ).values(),
      ].toReversed(),
    misbehave: (how) => (misbehaviour = how),
    close,
  };
}

function bodyOf(request: IncomingMessage, body: Buffer): Buffer {
  if (request.method !== 'POST' || request.url !== '/v1/logs') throw new Error('not POST /v1/logs');
  if (request.headers['content-type'] !== 'application/x-protobuf') throw new Error('not protobuf');
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
}
