// The CLI's side of the admin socket.
import { CordonError } from '../model/mod.ts';
import { connect, type Bodies, type Connection, type Kind, type Message } from '../wire/mod.ts';
import { withProgress } from './progress.ts';
import { unreachable } from './unreachable.ts';

/** Milliseconds that a person is made to wait for one answer. */
const deadline = 60_000;

export interface Daemon {
  readonly path: string;
  /** `within`: milliseconds; a minute when not given. */
  ask<K extends Kind, A extends Kind>(
    kind: K,
    body: Partial<Bodies[K]>,
    expected: A,
    within?: number,
  ): Promise<Bodies[A]>;
  /** Every answer until the last; without end when the request says `follow`. */
  stream<K extends Kind>(kind: K, body: Partial<Bodies[K]>): AsyncIterable<Message>;
}

const open = async (path: string): Promise<Connection> =>
  connect(path).catch((error: unknown) => {
    const cause: unknown = error instanceof CordonError ? error.facts.cause : undefined;
    throw cause instanceof Error && 'code' in cause
      ? unreachable(path, cause as NodeJS.ErrnoException)
      : error;
  });

export const daemonAt = (path: string): Daemon => ({
  path,
  async ask(kind, body, expected, within = deadline) {
    const connection = await open(path);
    try {
      return await withProgress(
        'waiting for cordond',
        connection.askFor(kind, body, expected, { deadline: within }),
      );
    } finally {
      connection.close();
    }
  },
  async *stream(kind, body) {
    const connection = await open(path);
    try {
      yield* connection.stream(kind, body);
    } finally {
      connection.close();
    }
  },
});
