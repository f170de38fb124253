// A real nats-server with JetStream on a port and in a directory of the test's own.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { jetstreamManager, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import type { Test } from 'tap';
import { temporaryDirectory } from './temporary.ts';
import { until } from './until.ts';

const program = '/usr/sbin/nats-server';

/** Why these tests cannot run here, or false. */
export function noNats(): string | false {
  try {
    execFileSync(program, ['--version']);
    return false;
  } catch {
    return 'there is no nats-server: apt install nats-server';
  }
}

export interface Stored {
  readonly subject: string;
  readonly text: string;
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface NatsServer {
  readonly port: number;
  start(): Promise<void>;
  /** SIGKILL, and waits for its end. */
  crash(): Promise<void>;
  connect(options?: NodeConnectionOptions): Promise<NatsConnection>;
  manage<T>(work: (manager: JetStreamManager) => Promise<T>, options?: NodeConnectionOptions): Promise<T>;
  addStream(config: Partial<StreamConfig>): Promise<void>;
  /** Every message of the stream, in its order. */
  stored(stream?: string, options?: NodeConnectionOptions): Promise<readonly Stored[]>;
}

export async function startNats(t: Test, config = ''): Promise<NatsServer> {
  const directory = temporaryDirectory(t);
  const port = await freePort();
  const file = join(directory, 'nats.conf');
  writeFileSync(
    file,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${join(directory, 'js')}" }\n${config}\n`,
  );
  let child: ChildProcess | undefined;
  const crash = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const open = (options: NodeConnectionOptions = {}): Promise<NatsConnection> =>
    connect({ servers: `127.0.0.1:${port}`, reconnect: false, ...options });
  const server: NatsServer = {
    port,
    start: async () => {
      child = spawn(program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await until('nats-server is ready', () => said.includes('Server is ready'), { evidence: () => said });
    },
    crash,
    connect: open,
    manage: async (work, options) => {
      const connection = await open(options);
      try {
        return await work(await jetstreamManager(connection));
      } finally {
        await connection.close();
      }
    },
    addStream: (config) =>
      server.manage(async (manager) => {
        await manager.streams.add(config as never);
      }),
    stored: (stream = 'AUDIT', options = {}) =>
      server.manage(async (manager) => {
        const { state } = await manager.streams.info(stream);
        if (state.messages === 0) return [];
        const consumer = await manager.jetstream().consumers.get(stream);
        const found: Stored[] = [];
        for await (const message of await consumer.consume()) {
          const headers = Object.fromEntries(
            (message.headers?.keys() ?? []).map((key) => [key, message.headers?.get(key) ?? '']),
          );
          found.push({
            subject: message.subject,
            text: message.string(),
            id: headers['Nats-Msg-Id'] ?? '',
            headers,
          });
          if (message.info.pending === 0) break;
        }
        return found;
      }, options),
  };
  await server.start();
  t.teardown(crash);
  return server;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
