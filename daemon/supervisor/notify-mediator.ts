// The notify thread's loop: receive, decide, answer. Whatever goes wrong on the way is an answer that denies.
import { E, Poller, drainEvent, errnoName, type seccomp } from '../../native-bindings/linux/mod.ts';
import type { SyscallEntry, SyscallLookup } from '../model/mod.ts';
import { dispatch, Unreadable, type Mediators } from './dispatch.ts';
import { refusal, type Answer, type Mediation } from './mediation.ts';

export interface NotifyLoop {
  readonly mediation: Mediation;
  readonly mediators: Mediators;
  readonly lookup: SyscallLookup;
  /** Entries whose arguments need no second look, by number, for the native architecture. */
  readonly direct: ReadonlyMap<number, SyscallEntry>;
  readonly nativeArch: number;
  /** Wakes the loop for messages from the main thread. */
  readonly wake: number;
  /** The task has its answer: what is left to write is written. */
  readonly settle: () => void;
  /** Handles waiting messages; false ends the loop. */
  readonly onWake: () => boolean;
}

const POLLHUP = 16;

/** Runs until the last task of the sandbox is gone, or `onWake` says so. */
export function serveNotifications(loop: NotifyLoop): void {
  const { listener } = loop.mediation;
  const poller = new Poller([listener.fd, loop.wake]);
  for (;;) {
    if (poller.wait(-1) === 0) continue;
    if (poller.events(1) !== 0) {
      drainEvent(loop.wake);
      if (!loop.onWake()) return;
    }
    if ((poller.events(0) & POLLHUP) !== 0) return;
    if (poller.events(0) !== 0) serveOne(loop, listener);
  }
}

function serveOne(loop: NotifyLoop, listener: seccomp.Listener): void {
  const received = listener.receive();
  if (received === -E.NOENT || received === -E.INTR) return; // the task died while it waited
  if (received < 0) throw new Error(`SECCOMP_IOCTL_NOTIF_RECV: ${errnoName(-received)}`);
  try {
    respond(loop, listener, answerTo(loop, listener));
  } finally {
    loop.settle();
  }
}

function entryOf(loop: NotifyLoop, listener: seccomp.Listener): SyscallEntry {
  const { nr, arch } = listener;
  const direct = arch === loop.nativeArch ? loop.direct.get(nr) : undefined;
  if (direct !== undefined) return direct;
  return loop.lookup(
    arch,
    nr,
    [0, 1, 2, 3, 4, 5].map((i) => listener.argBig(i)),
  );
}

function answerTo(loop: NotifyLoop, listener: seccomp.Listener): Answer {
  const { mediation } = loop;
  if (listener.pid === 0) return { kind: 'fails', errno: E.PERM }; // a task outside our pid namespace: not ours
  const entry = entryOf(loop, listener);
  try {
    return dispatch(mediation, loop.mediators, entry);
  } catch (error) {
    if (error instanceof Unreadable) return { kind: 'fails', errno: error.errno };
    return failClosed(mediation, entry, error);
  }
}

/** A fault of ours: denied, and recorded as such. */
function failClosed(m: Mediation, entry: SyscallEntry, error: unknown): Answer {
  const reason = `the mediator failed: ${error instanceof Error ? error.message : String(error)}`;
  m.decide(
    m.journal,
    'enforce',
    {
      kind: 'syscall',
      operation: entry.name,
      object: entry.name,
      layer: 'decision',
      process: { pid: m.listener.pid },
    },
    refusal('mediator-failure', reason),
    () => [],
  );
  return { kind: 'fails', errno: E.PERM };
}

function respond(loop: NotifyLoop, listener: seccomp.Listener, answer: Answer): void {
  switch (answer.kind) {
    case 'returns':
      listener.returns(answer.value);
      return;
    case 'fails':
      listener.fails(answer.errno);
      return;
    case 'continues':
      listener.continues();
      return;
    case 'descriptor':
      if (!listener.returnsDescriptor(answer.fd, answer.cloexec)) listener.fails(E.PERM);
      loop.mediation.files.close(answer.fd);
      return;
  }
}
