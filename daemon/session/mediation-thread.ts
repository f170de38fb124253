// What both mediation threads share: messages that arrive while the thread is in its loop, and the session's journal.
import { receiveMessageOnPort, parentPort, type MessagePort } from 'node:worker_threads';
import { createDecider } from '../decision/mod.ts';
import type { CapabilitySet, Decider } from '../model/mod.ts';
import { JournalWriter } from '../supervisor/mod.ts';
import type { BeginSession, FromMediationThread, ToMediationThread } from './messages.ts';

export function portOfWorker(): MessagePort {
  if (parentPort === null) throw new Error('a mediation thread is a worker');
  return parentPort;
}

export const sayTo =
  (port: MessagePort) =>
  (message: FromMediationThread): void =>
    port.postMessage(message);

/** Waiting messages, without the event loop: the thread's loop is a blocking one. */
export function* waiting(port: MessagePort): Generator<ToMediationThread> {
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
    yield next.message as ToMediationThread;
}

export const journalOf = (begin: BeginSession): JournalWriter =>
  new JournalWriter(
    { fd: begin.journal, session: begin.session, shared: begin.shared },
    begin.capabilitySet.mode,
    begin.capabilitySet.generation,
  );

/** The program that makes a process the leader of its terminal (launch-thread.ts) may always run. */
const LEADER = '/usr/bin/setsid';

/** The decider of a session; a session with a terminal may start its leader whatever the exec rules say. */
export function deciderOf(set: CapabilitySet, terminal: boolean): Decider {
  const decider = createDecider(set);
  if (!terminal) return decider;
  const leader = {
    effect: 'allow',
    rule: { id: 'builtin/terminal', source: { file: 'built in', line: 0, key: 'terminal' }, never: false },
    reason: 'makes the command the leader of its terminal',
    obligations: [],
  } as const;
  return {
    capabilitySet: set,
    file: (query) => decider.file(query),
    exec: (path) => (path === LEADER ? leader : decider.exec(path)),
    network: (query) => decider.network(query),
    socket: (query) => decider.socket(query),
    uniformBelow: (directory, access) => decider.uniformBelow(directory, access),
    exceptionsIn: (directory, access) => decider.exceptionsIn(directory, access),
  };
}
