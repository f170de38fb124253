// Runs in a process of its own: a worker thread confines itself with the real filter and makes real calls; the main
// thread answers the notifications. Prints what each call returned as JSON. Started by seccomp-kernel.test.ts.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Arena, credentials, errnoName, Poller, seccomp } from '../../native-bindings/linux/mod.ts';
import { errno, libc, raw } from '../../native-bindings/linux/libc.ts';
import { notifyLookup, seccompProgram } from '../../daemon/policy/seccomp/mod.ts';

const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const program = seccompProgram(arch);

export interface Observation {
  /** `0` or more, or an errno name. */
  readonly result: string;
  /** Notification that the kernel made of it, if it did. */
  readonly asked?: string;
}

function confined(shared: Int32Array): void {
  const arena = new Arena(256);
  const path = arena.cstring(0, '/nonexistent/file');
  const calls: Record<string, () => number> = {
    getppid: () => raw.n4(program.arch === 'x86_64' ? 110 : 173, 0, 0, 0, 0),
    'openat for reading': () => raw.npnn(openat, -100, path, 0, 0),
    'openat for writing': () => raw.npnn(openat, -100, path, 1, 0),
    'openat creating': () => raw.npnn(openat, -100, path, 0o100, 0o644),
    openat2: () => raw.npnpn(437, -100, path, 0, path, 24),
    clone3: () => raw.n4(435, 0, 0, 0, 0),
    'socket AF_UNIX': () => raw.n4(socket, 1, 1, 0, 0),
    'socket raw': () => raw.n4(socket, 2, 3, 1, 0),
    'socket AF_VSOCK': () => raw.n4(socket, 40, 1, 0, 0),
    ptrace: () => raw.n4(program.arch === 'x86_64' ? 101 : 117, 0, 0, 0, 0),
    io_uring_setup: () => raw.n4(425, 1, 0, 0, 0),
    'unshare NEWUSER': () => raw.n4(program.arch === 'x86_64' ? 272 : 97, 0x10000000, 0, 0, 0),
    personality: () => raw.n4(program.arch === 'x86_64' ? 135 : 92, 0x40000, 0, 0, 0),
    'call 600': () => raw.n4(600, 0, 0, 0, 0),
    'x32 getpid': () => raw.n4(0x40000000 + 39, 0, 0, 0, 0),
  };
  const openat = program.arch === 'x86_64' ? 257 : 56;
  const socket = program.arch === 'x86_64' ? 41 : 198;
  credentials.noNewPrivileges();
  const filter = new seccomp.Filter(program.instructions);
  const begin = process.hrtime.bigint();
  const listener = filter.install(seccomp.FILTER_FLAG.NEW_LISTENER | seccomp.FILTER_FLAG.WAIT_KILLABLE_RECV);
  const loadNs = Number(process.hrtime.bigint() - begin);
  Atomics.store(shared, 0, listener);
  Atomics.notify(shared, 0);
  const results: [string, string][] = [];
  for (const [name, call] of Object.entries(calls)) {
    Atomics.store(shared, 2, results.length);
    const result = call();
    results.push([name, result < 0 ? errnoName(errno()) : '0']);
  }
  Atomics.store(shared, 2, -1);
  Atomics.store(shared, 1, 1);
  parentPort?.postMessage({ results, loadNs });
  // The process ends this thread: what runs at a thread's own end could not open a file any more.
  setInterval(() => undefined, 60_000);
}

/** Answers until the worker is through; `asked[i]` is the notification of its i-th call. */
function mediate(shared: Int32Array): Map<number, string> {
  const asked = new Map<number, string>();
  const lookup = notifyLookup(arch);
  Atomics.wait(shared, 0, -1, 20_000);
  const listener = new seccomp.Listener(Atomics.load(shared, 0));
  const poller = new Poller([listener.fd]);
  while (Atomics.load(shared, 1) === 0) {
    if (poller.wait(50) === 0 || listener.receive() !== 0) continue;
    const entry = lookup(
      listener.arch,
      listener.nr,
      [0, 1, 2, 3, 4, 5].map((i) => listener.argBig(i)),
    );
    asked.set(Atomics.load(shared, 2), `${entry.kind} ${entry.name}`);
    if (entry.kind === 'deny') listener.fails(entry.errno);
    else if (entry.kind === 'process' || entry.name === 'openat2')
      listener.fails(38); // ENOSYS, as the mediator
    else listener.continues();
  }
  // From here on whatever the thread is still asked about fails with ENOSYS, so that it can end.
  libc.close(listener.fd);
  return asked;
}

if (isMainThread) {
  const shared = new Int32Array(new SharedArrayBuffer(16));
  shared[0] = -1;
  const worker = new Worker(new URL(import.meta.url), { workerData: shared });
  worker.on('error', (error: unknown) => {
    console.error(error);
    process.exit(1);
  });
  worker.on('message', (message: { results: [string, string][]; loadNs: number }) => {
    const observations = message.results.map(([name, result], i): [string, Observation] => {
      const question = asked.get(i);
      return [name, question === undefined ? { result } : { result, asked: question }];
    });
    console.log(JSON.stringify({ calls: Object.fromEntries(observations), loadNs: message.loadNs }));
    process.exit(0);
  });
  const asked = await new Promise<Map<number, string>>((resolve) => {
    // A worker needs the main loop while it starts; the mediation blocks it, so it begins once the worker is online.
    worker.on('online', () => setTimeout(() => resolve(mediate(shared)), 0));
  });
} else {
  confined(workerData as Int32Array);
}
