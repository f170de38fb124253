// A model's HTTP server on loopback. It answers what the routes know and 404s the rest; it remembers every request.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Seen, StepResult } from './script.ts';

/** Larger bodies are refused: an agent's whole conversation stays far below. */
const bodyLimit = 16 * 1024 * 1024;

export interface ModelServer {
  readonly port: number;
  readonly seen: readonly Seen[];
  /** By step name, in the order of the script; a step that was never answered is absent. */
  readonly results: ReadonlyMap<string, StepResult>;
  /** Every byte that agents sent us, for "this canary never left" checks. */
  readonly received: () => string;
  /** True when the model has said its farewell. */
  readonly finished: () => boolean;
  close(): Promise<void>;
}

/** What a protocol's handler may touch. */
export interface Turn {
  readonly request: IncomingMessage;
  readonly path: string;
  readonly body: unknown;
  readonly reply: (status: number, json: unknown, note?: string) => void;
  readonly stream: (events: readonly ServerEvent[], note?: string) => void;
}

export interface ServerEvent {
  /** Absent where a protocol's events have no names. */
  readonly event?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface State {
  readonly results: Map<string, StepResult>;
  finished: boolean;
}

export type Handler = (turn: Turn, state: State) => void;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > bodyLimit) throw new Error(`request body over ${bodyLimit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function turnFor(request: IncomingMessage, response: ServerResponse, text: string, seen: Seen[]): Turn {
  const path = new URL(request.url ?? '/', 'http://loopback').pathname;
  const remember = (status: number, note = ''): void => {
    seen.push({ method: request.method ?? '', path, status, note });
  };
  return {
    request,
    path,
    body: parse(text),
    reply: (status, json, note) => {
      remember(status, note);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    },
    stream: (events, note) => {
      remember(200, note);
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
      for (const { event, data } of events)
        response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`);
      response.end();
    },
  };
}

export async function serveModel(handler: Handler): Promise<ModelServer> {
  const seen: Seen[] = [];
  const bodies: string[] = [];
  const state: State = { results: new Map(), finished: false };
  const server: Server = createServer((request, response) => {
    bodyOf(request).then(
      (text) => {
        bodies.push(`${request.url ?? ''}\n${text}`);
        handler(turnFor(request, response, text, seen), state);
      },
      () => response.writeHead(413).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    results: state.results,
    received: () => bodies.join('\n'),
    finished: () => state.finished,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
