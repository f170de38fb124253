// Starts, kills and asks a cordond of the test's own (daemon-process.ts), and ends all it left behind.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { connect } from '../../daemon/wire/mod.ts';
import type { Bodies, Connection, SessionInfo } from '../../daemon/wire/mod.ts';
import { bundled } from './bundled.ts';
import { temporaryDirectory } from './temporary.ts';

export interface TestDaemon {
  readonly runDir: string;
  readonly stateDir: string;
  readonly adminSocket: string;
  readonly process: () => ChildProcess;
  start(): Promise<void>;
  /** SIGKILL, and waits for its end. */
  crash(): Promise<void>;
  connect(): Promise<Connection>;
  run(environment?: Readonly<Record<string, string>>, body?: Partial<Bodies['run']>): Promise<string>;
  session(id: string): Promise<SessionInfo>;
  records(query: Partial<Bodies['records']>): Promise<Readonly<Record<string, unknown>>[]>;
}

const words = (list: readonly string[]): Buffer[] => list.map((word) => Buffer.from(word));

export async function startDaemon(
  t: Test,
  adminGroup?: string,
  prepare: (stateDir: string) => void = () => undefined,
  settingsFile?: string,
): Promise<TestDaemon> {
  const script = join(bundled('daemon'), 'daemon-process.js');
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const runDir = join(directory, 'run');
  const stateDir = join(directory, 'state');
  const adminSocket = join(runDir, 'admin.sock');
  prepare(stateDir);
  let child: ChildProcess;
  const open: Connection[] = [];
  const daemon: TestDaemon = {
    runDir,
    stateDir,
    adminSocket,
    process: () => child,
    start: async () => {
      const named = settingsFile === undefined ? [] : [adminGroup ?? 'cordon-admin', settingsFile];
      const given = adminGroup === undefined ? [] : [adminGroup];
      const args = [script, runDir, stateDir, ...(named.length > 0 ? named : given)];
      child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [said] = (await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])) as unknown[];
      if (!String(said).startsWith('ready')) throw new Error(`cordond did not start: ${String(said)}`);
    },
    crash: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    connect: async () => {
      const connection = await connect(adminSocket);
      open.push(connection);
      return connection;
    },
    run: async (environment = {}, body = {}) => {
      const connection = await daemon.connect();
      const answer = await connection.askFor(
        'run',
        {
          profile: 'open',
          user: 'nobody',
          workspace: Buffer.from('/tmp'),
          argv: words(['sleep', '1000']),
          environment: words(Object.entries(environment).map(([name, value]) => `${name}=${value}`)),
          ...body,
        },
        'runAnswer',
        { deadline: 30_000 },
      );
      connection.close();
      return answer.session;
    },
    session: async (id) => {
      const connection = await daemon.connect();
      const { sessions } = await connection.askFor('sessions', { session: id }, 'sessionsAnswer');
      connection.close();
      return sessions[0]!;
    },
    records: async (query) => {
      const connection = await daemon.connect();
      const texts: string[] = [];
      for await (const { kind, body } of connection.stream('records', { limit: 100_000, ...query }))
        if (kind === 'recordsAnswer') texts.push(...body.records);
      connection.close();
      return texts.map((text) => JSON.parse(text) as Readonly<Record<string, unknown>>);
    },
  };
  await daemon.start();
  t.teardown(async () => {
    for (const connection of open) connection.close();
    if (child.exitCode !== null || child.signalCode !== null) await daemon.start();
    const connection = await daemon.connect();
    await connection.ask('control', { verb: 'kill', all: true }, { deadline: 120_000 });
    connection.close();
    await until(async () => (await daemon.records({ limit: 1 })).length >= 0 && (await live(daemon)) === 0);
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  return daemon;
}

async function live(daemon: TestDaemon): Promise<number> {
  const connection = await daemon.connect();
  const { sessions } = await connection.askFor('status', {}, 'statusAnswer');
  connection.close();
  return sessions;
}

/** Looks again until it holds; the test's own timeout is the limit. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(10);
}
