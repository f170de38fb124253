// A client of cordond inside this process: what `cordon run` does, without starting a program for it. The agent gets
// this process's own descriptors 0, 1 and 2. It asks as the user, as `cordon run` does: to cordond, launches of the two
// are the same, and what it prepared after one serves the other.
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Connection } from '../../../daemon/wire/mod.ts';
import { until } from '../../support/until.ts';
import type { Stage } from './stage.ts';
import { userEnvironment } from './peers.ts';

/** Milliseconds after the pool is full again in which the last session's remains are cleared away; not measured. */
const settle = 200;

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');

/** Whoever calls connect(2) is whom the kernel names to the other side (SO_PEERCRED): the effective ids of that moment. */
function asUser<T>(uid: number, use: () => T): T {
  process.seteuid?.(uid);
  try {
    return use();
  } finally {
    process.seteuid?.(0);
  }
}

export class Client {
  readonly #admin: Connection;
  readonly #own: Connection;
  readonly #stage: Stage;

  private constructor(admin: Connection, own: Connection, stage: Stage) {
    this.#admin = admin;
    this.#own = own;
    this.#stage = stage;
  }

  static async connect(stage: Stage): Promise<Client> {
    const { socket } = stage.cordon;
    return new Client(await connect(socket), await asUser(stage.user.uid, () => connect(socket)), stage);
  }

  /** Resolves when supervisors wait, one of them with what is likely to come next: what a warm daemon is. */
  async warm(): Promise<void> {
    await until('a supervisor waits in the pool', async () => {
      const { json } = await this.#admin.askFor('status', {}, 'statusAnswer');
      const { pool } = JSON.parse(json) as { pool: Record<string, number> };
      const { ready = 0, starting, preparing } = pool;
      return ready > 0 && starting === 0 && preparing === 0;
    });
    await pause(settle);
  }

  /** Runs a command to its end; its exit code. */
  async run(argv: readonly string[], profile: string): Promise<number> {
    const { user, workspace } = this.#stage;
    const environment = Object.entries(userEnvironment(user)).map(([name, value]) =>
      bytes(`${name}=${value}`),
    );
    const request = { profile, workspace: bytes(workspace), argv: argv.map(bytes), environment };
    const { attachPath } = await this.#own.askFor('run', request, 'runAnswer');
    return this.#attach(attachPath);
  }

  async #attach(path: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const session = await connect(path, {
      onMessage: ({ message }) => {
        if (message.kind === 'sessionExit') resolve(message.body.code);
      },
    });
    void session.closed.then(({ detail }) =>
      reject(new Error(`the session ended without an exit: ${detail}`)),
    );
    session.notify('attach', { tty: false });
    return promise;
  }

  close(): void {
    this.#admin.end();
    this.#own.end();
  }
}
