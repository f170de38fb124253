// Entry of the open thread: fanotify permission events of one session.
import { workerData } from 'node:worker_threads';
import { AuditGroup, Files, PermissionGroup, processes } from '../../native-bindings/linux/mod.ts';
import type { Decider, Journal } from '../model/mod.ts';
import { decide } from '../monitor/mod.ts';
import {
  OpenMediator,
  ProcessReader,
  Remembering,
  SHARED,
  type JournalWriter,
  type OpenMediation,
} from '../supervisor/mod.ts';
import { deciderOf, journalOf, portOfWorker, sayTo, waiting } from './mediation-thread.ts';
import { hasEnded, isAskedToEnd } from './thread-end.ts';
import type { BeginOpen, MediationThreadData, ToMediationThread } from './messages.ts';

const data = workerData as MediationThreadData;
const port = portOfWorker();
const say = sayTo(port);
const files = new Files();
let journal: JournalWriter | undefined;
let terminal = false;

const nothing: Journal = { append: () => undefined, complete: () => undefined };
const undecided: Decider = {
  capabilitySet: undefined as never,
  file: refuse,
  exec: refuse,
  network: refuse,
  socket: refuse,
  uniformBelow: () => false,
  exceptionsIn: () => [],
};
function refuse(): never {
  throw new Error('no session yet');
}

const state = {
  group: new PermissionGroup(data.fanotify),
  handed: new PermissionGroup(data.handed),
  pidNamespace: '',
  files,
  reader: new ProcessReader(files, files.open('/proc', 0o10000000 | 0o2000000)),
  journal: nothing,
  decider: undecided,
  mode: 'enforce',
  never: new Set(),
  neverExec: new Set(),
  neverHasNames: false,
  root: -1,
  decide,
  ownPid: process.pid,
  audited: false,
  names: new AuditGroup(),
  remembering: new Remembering(new SharedArrayBuffer(8 * SHARED.words)),
  wake: data.wake,
  onWake: () => {
    if (isAskedToEnd(data.end)) return false;
    for (const message of waiting(port)) handle(message);
    return true;
  },
} satisfies { -readonly [K in keyof OpenMediation]: OpenMediation[K] } as {
  -readonly [K in keyof OpenMediation]: OpenMediation[K];
};
const mediator = new OpenMediator(state);

/** Where nearly every program looks when it starts. */
const familiar = [
  ...[
    '/usr/bin',
    '/bin',
    '/usr/local/bin',
    '/lib64',
    '/usr/lib',
    '/usr/lib/locale',
    '/usr/local/lib',
    '/etc',
  ],
  ...['x86_64', 'aarch64'].flatMap((arch) => [`/lib/${arch}-linux-gnu`, `/usr/lib/${arch}-linux-gnu`]),
];

function begin(message: BeginOpen): void {
  journal = journalOf(message);
  terminal = message.terminal;
  state.journal = journal;
  state.never = new Set(message.never);
  state.neverExec = new Set(message.neverExec);
  state.neverHasNames = message.neverHasNames;
  state.root = message.root;
  state.remembering = new Remembering(message.shared);
  state.pidNamespace = message.pidNamespace;
  state.audited = message.audited;
  mediator.replacePolicy(deciderOf(message.capabilitySet, terminal), message.capabilitySet.mode);
  mediator.active = true;
  say({ type: 'begun', tid: processes.gettid() });
  mediator.prime(familiar);
}

function handle(message: ToMediationThread): void {
  switch (message.type) {
    case 'begin':
      begin(message as BeginOpen);
      return;
    case 'policy':
      if (journal !== undefined) {
        journal.mode = message.capabilitySet.mode;
        journal.generation = message.capabilitySet.generation;
      }
      mediator.replacePolicy(deciderOf(message.capabilitySet, terminal), message.capabilitySet.mode);
      say({ type: 'policy-in-force', generation: message.capabilitySet.generation });
      return;
    case 'serve':
    case 'enter':
    case 'digest':
      return;
  }
}

say({ type: 'ready' });
mediator.serve();
hasEnded(data.end);
