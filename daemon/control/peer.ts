// Who is at the other end of a unix socket, by the kernel's word: SO_PEERCRED, and a pidfd against pid reuse.
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { processes, procfs } from '../../native-bindings/linux/mod.ts';
import { CordonError } from '../model/mod.ts';
import type { Accounts } from './accounts.ts';

/** A person or program on a socket. */
export interface Actor {
  readonly uid: number;
  readonly gid: number;
  /** In the daemon's pid namespace; 0 when it is not in there. */
  readonly pid: number;
  /** Root, or a member of the admin group. */
  readonly admin: boolean;
  readonly name: string;
}

/** Node keeps the descriptor on the handle; net.Socket has no public way to it. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0) throw new CordonError('internal', 'a socket has no descriptor');
  return fd;
}

export function actorOf(socket: Socket, accounts: Accounts, adminGroup: string): Actor {
  const { uid, gid, pid } = processes.peerCredentials(descriptorOf(socket));
  const name = accounts.byUid(uid)?.name ?? `uid ${uid}`;
  return { uid, gid, pid, name, admin: uid === 0 || accounts.inGroup(uid, adminGroup) };
}

/** The peer's pid namespace, such as `pid:[4026531836]`; '' when the peer is gone or cannot be seen. */
export function pidNamespaceOf(socket: Socket, pid: number): string {
  const pidfd = openPeer(socket, pid);
  if (pidfd < 0) return '';
  try {
    const namespace = procfs.namespaceOf(pid, 'pid');
    // Still alive: what was read is this process's, not that of a later one with its number.
    return processes.pidfdSignal(pidfd, 0) === 0 ? namespace : '';
  } finally {
    closeSync(pidfd);
  }
}

const ENOPROTOOPT = 92;

/**
 * SO_PEERPIDFD; only where the kernel does not know it (before 6.5) pidfd_open, which may find a later process with the
 * number of a peer that is gone. A pidfd that is the caller's, or -errno.
 */
export function openPeer(socket: Socket, pid: number): number {
  const exact = processes.peerPidfd(descriptorOf(socket));
  return exact === -ENOPROTOOPT ? processes.pidfdOpen(pid) : exact;
}
