// Entry of a supervisor process: prepares a sandbox, says hello to the daemon, and serves one session. It goes on while
// the daemon is away and says hello again when it is back.
import { promises } from 'node:fs';
import { parseArgs } from 'node:util';
import { credentials, processes } from '../../native-bindings/linux/mod.ts';
import { CordonError } from '../model/mod.ts';
import { connect, type Connection, type Incoming } from '../wire/mod.ts';
import { Supervisor } from './supervisor.ts';

const RECONNECT_MS = 200;
/** Soft limit on open files that programs expect: more breaks those that use select(2) or close all they could have. */
const USUAL_NOFILE = 1024;

const { values } = parseArgs({ options: { 'run-dir': { type: 'string' }, 'state-dir': { type: 'string' } } });
const runDir = values['run-dir'] ?? '/run/cordon';

// What a service manager or a shell left open for us is not for the egress process or the agent.
processes.closeOnExecFrom(3);

// libuv's pool is born by the first asynchronous file call, with the credentials of the thread that makes it: ours.
await promises.stat('/');
process.setgroups?.([]);
credentials.notDumpable();
// What the agent inherits. This process itself keeps a few dozen descriptors.
processes.lowerNofile(USUAL_NOFILE);
process.umask(0o022);

let connection: Connection | undefined;
const daemonIsAway = new CordonError('unavailable', 'cordond is away');
const supervisor = new Supervisor({
  runDir,
  log: 2,
  notify: (kind, body) => connection?.notify(kind, body) ?? false,
  ask: (...given) => connection?.askFor(...given) ?? Promise.reject(daemonIsAway),
  done: (status) => void leave(status),
});

async function leave(status: number): Promise<void> {
  await connection?.drained();
  connection?.end();
  supervisor.sandbox.kill();
  supervisor.sandbox.leaveCgroup();
  removeCgroup();
  processes.exitNow(status); // process.exit() would wait for threads that wait for the kernel
}

/** Tasks leave their cgroup a moment after they died; what cannot be removed now is removed by the daemon's next start. */
function removeCgroup(): void {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      supervisor.sandbox.cgroup.remove();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

async function serve(incoming: Incoming, from: Connection): Promise<void> {
  try {
    const kind = await supervisor.handle(incoming);
    if (kind === 'launchAnswer') from.answer(incoming, kind, supervisor.launchAnswer);
    else from.answer(incoming, kind, { generation: supervisor.generation });
  } catch (error) {
    from.refuse(incoming, error);
  }
}

async function sayHello(): Promise<void> {
  const next = await connect(`${runDir}/supervisor.sock`, {
    onMessage: (incoming, from) => void serve(incoming, from),
  });
  try {
    await next.ask('supervisorHello', supervisor.hello);
  } catch (error) {
    next.close();
    throw error;
  }
  connection = next;
  void next.closed.then(() => {
    connection = undefined;
    // An idle supervisor belongs to the daemon that started it; one with a session waits for the next.
    if (supervisor.hasSession) void reconnect();
    else void leave(0);
  });
}

async function reconnect(): Promise<void> {
  try {
    await sayHello();
  } catch (error) {
    if (isDisowned(error)) supervisor.disowned();
    else setTimeout(() => void reconnect(), RECONNECT_MS);
  }
}

/** A daemon that is there and does not know the session, or knows another supervisor of it. */
const isDisowned = (error: unknown): boolean =>
  error instanceof CordonError && (error.code === 'not-found' || error.code === 'not-permitted');

try {
  await supervisor.prepare();
  await sayHello();
} catch (error) {
  // No session is lost: there is none yet. A daemon that went away meanwhile is the usual reason.
  console.error(`supervisor: ${error instanceof Error ? error.message : String(error)}`);
  supervisor.sandbox.kill();
  await leave(1);
}
