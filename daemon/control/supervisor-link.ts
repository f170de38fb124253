// A supervisor process that has said hello: its connection, and a pidfd that cannot come to mean another process.
import { closeSync } from 'node:fs';
import { processes, procfs } from '../../native-bindings/linux/mod.ts';
import { CordonError } from '../model/mod.ts';
import type { Connection, SupervisorHello } from '../wire/mod.ts';
import { openPeer } from './peer.ts';
import type { Actor } from './peer.ts';

export interface SupervisorLink {
  readonly connection: Connection;
  readonly pid: number;
  readonly start: string;
  /** Whoever holds the link closes it. */
  readonly pidfd: number;
  readonly hello: SupervisorHello;
}

/** Throws unless the process that connected is root's and the one the hello speaks of. */
export function linkOf(actor: Actor, connection: Connection, hello: SupervisorHello): SupervisorLink {
  if (actor.uid !== 0 || hello.pid !== actor.pid)
    throw new CordonError(
      'protocol',
      `process ${actor.pid} of uid ${actor.uid} claims to be supervisor ${hello.pid}`,
    );
  const pidfd = openPeer(connection.socket, actor.pid);
  if (pidfd < 0) throw new CordonError('protocol', `supervisor ${actor.pid} is gone`);
  return { connection, pid: actor.pid, start: procfs.startTime(actor.pid), pidfd, hello };
}

const SIGTERM = 15;

/** For an idle one: it holds nothing but itself. */
export function retire(link: SupervisorLink): void {
  link.connection.close();
  processes.pidfdSignal(link.pidfd, SIGTERM);
  closeSync(link.pidfd);
}

/** True when the process is gone, or only waits to be reaped. */
export const isGone = (pidfd: number, pid: number): boolean =>
  processes.pidfdSignal(pidfd, 0) < 0 || ['Z', 'X'].includes(procfs.processState(pid));

/** A duplicate of the supervisor's fanotify descriptor; undefined when it names none, or refuses. */
export function duplicateFanotify(link: SupervisorLink): number | undefined {
  if (link.hello.fanotifyFd === 0) return undefined;
  const fd = processes.pidfdGetfd(link.pidfd, link.hello.fanotifyFd);
  return fd < 0 ? undefined : fd;
}
