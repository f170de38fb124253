// Landlock, no_new_privs and seccomp, taken on by this process and then tried.
import { readFileSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { notifyLookup, seccompProgram } from '../../policy/seccomp/mod.ts';
import type { Arch } from '../../policy/seccomp/mod.ts';
import {
  E,
  Files,
  O,
  Poller,
  SyscallError,
  credentials,
  errnoName,
  landlock,
  seccomp,
} from '../../../native-bindings/linux/mod.ts';
import { fail, ok, warn } from './probe.ts';
import type { Finding, Probe, ProbeContext } from './probe.ts';

const arch: Arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const boot = 'boot a kernel with CONFIG_SECURITY_LANDLOCK=y and landlock in lsm=';
/** ABI 6 (Linux 6.12) scopes abstract unix sockets and signals; 5 covers device ioctls. */
const fullAbi = 6;

function tryLandlock({ stage }: ProbeContext): Finding {
  const version = landlock.support();
  if (version === -E.NOSYS) return fail('the kernel was built without Landlock');
  if (version === -E.OPNOTSUPP) return fail('the kernel has Landlock and was started without it');
  if (version < 0) throw new SyscallError('landlock_create_ruleset', -version);
  writeFileSync(`${stage}/file`, 'x');
  credentials.noNewPrivileges();
  const rules = [{ path: '/', rights: landlock.FS.READ_FILE | landlock.FS.READ_DIR | landlock.FS.EXECUTE }];
  landlock.restrictSelf(landlock.createRuleset(rules, version, 0));
  const files = new Files();
  const read = files.open(`${stage}/file`, O.RDONLY | O.CLOEXEC);
  const write = files.open(`${stage}/file`, O.WRONLY | O.CLOEXEC);
  const removed = files.unlinkat(-100, `${stage}/file`, 0);
  if (read < 0) return fail(`reading what was granted gave ${errnoName(-read)}`);
  if (write !== -E.ACCES || removed !== -E.ACCES) return fail('writing and removing were not refused');
  if (version < fullAbi)
    return warn(`ABI ${version}: abstract unix sockets and signals are not scoped`, 'run Linux 6.12');
  return ok(`ABI ${version}; refuses writes and removals, allows reads`);
}

const statusField = (name: string): string =>
  new RegExp(`^${name}:\\s*(\\S+)$`, 'm').exec(readFileSync('/proc/thread-self/status', 'latin1'))?.[1] ?? '';

const noNewPrivileges: Probe = {
  name: 'no-new-privileges',
  fix: 'run a kernel that is not older than Linux 3.5',
  run: () => {
    credentials.noNewPrivileges();
    const value = statusField('NoNewPrivs');
    return value === '1'
      ? ok('set-user-id programs gain nothing')
      : fail(`NoNewPrivs reads back as '${value}'`);
  },
};

function tryFilter(): Finding {
  const program = seccompProgram(arch);
  credentials.noNewPrivileges();
  new seccomp.Filter(program.instructions).install(0);
  const mode = statusField('Seccomp');
  if (mode !== '2') return fail(`Seccomp reads back as '${mode}', not 2`);
  // Without a listener, what the filter would ask about fails with ENOSYS.
  const refused = new Files().open('/dev/null', O.WRONLY);
  if (refused !== -E.NOSYS) return fail('the filter is loaded and does not hold');
  return ok(
    `the ${arch} filter loads and holds: ${program.length} instructions, ${program.names.size} calls reviewed`,
  );
}

const listenerFix = 'run Linux 5.19 or later; no other seccomp listener may be installed on cordond';

/** Cells shared with the confined thread: its listener (-1 before), and what its open returned (see `confinedOpen`). */
const LISTENER = 0;
const RESULT = 1;
const pending = 0x7fff_ffff;
/** Milliseconds: a thread that starts on a machine that is busy, or emulated. */
const patience = 30_000;

/** The confined thread's part: takes on the filter, and opens /dev/null for writing, which must be answered. */
export function confinedOpen(cells: Int32Array): void {
  credentials.noNewPrivileges();
  const filter = new seccomp.Filter(seccompProgram(arch).instructions);
  const listener = filter.install(seccomp.FILTER_FLAG.NEW_LISTENER | seccomp.FILTER_FLAG.WAIT_KILLABLE_RECV);
  Atomics.store(cells, LISTENER, listener);
  Atomics.notify(cells, LISTENER);
  Atomics.store(cells, RESULT, new Files().open('/dev/null', O.WRONLY | O.CLOEXEC));
}

/** Answers until the confined thread has its result: the open gets a descriptor of ours, everything else continues. */
function answer(listener: seccomp.Listener, cells: Int32Array, substitute: number): boolean {
  const lookup = notifyLookup(arch);
  const poller = new Poller([listener.fd]);
  let placed = false;
  const deadline = performance.now() + patience;
  while (Atomics.load(cells, RESULT) === pending && performance.now() < deadline) {
    if (poller.wait(20) === 0 || listener.receive() !== 0) continue;
    const args = [0, 1, 2, 3, 4, 5].map((index) => listener.argBig(index));
    if (!placed && lookup(listener.arch, listener.nr, args).kind === 'open')
      placed = listener.returnsDescriptor(substitute, true);
    else listener.continues();
  }
  return placed;
}

async function tryNotify({ stage }: ProbeContext): Promise<Finding> {
  writeFileSync(`${stage}/substitute`, '');
  const files = new Files();
  const substitute = files.open(`${stage}/substitute`, O.RDONLY | O.CLOEXEC);
  const cells = new Int32Array(new SharedArrayBuffer(8)).fill(pending, RESULT);
  cells[LISTENER] = -1;
  const worker = new Worker(process.argv[1] ?? '', { workerData: cells });
  await new Promise((online, failed) => worker.once('online', online).once('error', failed));
  if (Atomics.wait(cells, LISTENER, -1, patience) === 'timed-out')
    return fail(`the filter with a listener was not loaded within ${patience / 1000} seconds`);
  const fd = Atomics.load(cells, LISTENER);
  if (fd < 0) return fail('the filter with a listener could not be loaded');
  const listener = new seccomp.Listener(fd);
  const synchronous = listener.syncWakeUp();
  const placed = answer(listener, cells, substitute);
  const result = Atomics.load(cells, RESULT);
  const reached = result >= 0 && result !== pending ? files.pathOf(result) : '';
  files.close(fd);
  if (!placed || !reached.endsWith('/substitute'))
    return fail('a notified open did not get the descriptor placed for it');
  const speed = synchronous ? '' : '; without synchronous wake-up (Linux 6.6), so slower';
  return ok(`an open was held, answered with another descriptor, and returned it${speed}`);
}

export const confinementProbes: readonly Probe[] = [
  { name: 'landlock', fix: boot, run: tryLandlock },
  noNewPrivileges,
  { name: 'seccomp', fix: 'boot a kernel with CONFIG_SECCOMP_FILTER=y', run: tryFilter },
  { name: 'seccomp-notify', fix: listenerFix, run: tryNotify },
];
