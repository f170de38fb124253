// A cordond of one test's making: real unix sockets that speak the wire room, answers as the test says.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection, type Incoming, type Message } from '../../daemon/wire/mod.ts';

export type Handler = (incoming: Incoming, connection: Connection) => void;

export interface FakeDaemon {
  /** For `--socket`. */
  readonly admin: string;
  /** Where a RunAnswer points. */
  readonly attach: string;
  /** Every message that came in on either socket, in order. */
  readonly received: Message[];
  /** Resolves when a message of this kind has come in (at once when it has already). */
  seen(kind: Message['kind'], count?: number): Promise<Message>;
  close(): Promise<void>;
}

interface Watch {
  readonly kind: Message['kind'];
  readonly count: number;
  readonly resolve: (message: Message) => void;
}

export async function fakeDaemon(handlers: { admin: Handler; attach?: Handler }): Promise<FakeDaemon> {
  const directory = mkdtempSync(join(tmpdir(), 'cordon-fake-'));
  const received: Message[] = [];
  const watches: Watch[] = [];
  const matching = (kind: Message['kind']) => received.filter((message) => message.kind === kind);
  const listen = (name: string, handler: Handler): Promise<Server> => {
    const server = createServer((socket) => {
      new Connection(socket, {
        onMessage: (incoming, connection) => {
          received.push(incoming.message);
          handler(incoming, connection);
          for (const watch of watches) {
            const last = matching(watch.kind)[watch.count - 1];
            if (last !== undefined) watch.resolve(last);
          }
        },
      });
    });
    const { promise, resolve } = Promise.withResolvers<Server>();
    server.listen(join(directory, name), () => resolve(server));
    return promise;
  };
  const servers = [
    await listen('admin.sock', handlers.admin),
    await listen('attach.sock', handlers.attach ?? (() => undefined)),
  ];
  return {
    admin: join(directory, 'admin.sock'),
    attach: join(directory, 'attach.sock'),
    received,
    seen: (kind, count = 1) => {
      const known = matching(kind)[count - 1];
      if (known !== undefined) return Promise.resolve(known);
      const { promise, resolve } = Promise.withResolvers<Message>();
      watches.push({ kind, count, resolve });
      return promise;
    },
    close: async () => {
      await Promise.all(
        servers.map((server) => {
          const { promise, resolve } = Promise.withResolvers<undefined>();
          server.close(() => resolve(undefined));
          return promise;
        }),
      );
      rmSync(directory, { recursive: true });
    },
  };
}
