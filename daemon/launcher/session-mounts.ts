// The mounts that depend on the session: decoys over what may never be read, the agent socket, the resolver's file.
// Runs on the launch thread, in the sandbox's tree. Returns what was mounted, to be watched.
import { Files, mounts } from '../../native-bindings/linux/mod.ts';
import { bringIn, type Hidden } from './bring-in.ts';
import { exists, touch } from './tree.ts';

const { MOUNT_ATTR } = mounts;
const SEALED = MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC;

/** What only we put into the sandbox's /run. */
const PRIVATE = '/run/.cordon';
const RESOLVER_FILE = `${PRIVATE}/resolv.conf`;

/** A place hidden behind a decoy: the names are there to be tried (and the attempt recorded), the contents are not. */
export interface Mask {
  readonly path: string;
  readonly directory: boolean;
  /** For a directory: its entries at any depth, relative, parents first; at most MAX_DECOYS. */
  readonly entries: readonly MaskEntry[];
}

export interface MaskEntry {
  readonly name: string;
  readonly directory: boolean;
}
export const MAX_DECOYS = 256;

export interface SessionMounts {
  readonly masks: readonly Mask[];
  /** Descriptor of a detached mount of the directory with the session's agent socket, or -1. */
  readonly agentSocket: number;
  /** The workspace, when a private place hides it. */
  readonly hidden: Hidden | undefined;
  readonly uid: number;
  readonly gid: number;
}

/** Mounts everything; returns the mount points to be watched: the decoys', and the workspace's when it was brought in. */
export function mountForSession(session: SessionMounts): string[] {
  const files = new Files();
  const umask = files.umask(0o022);
  mounts.setAttributes('/run', 0, MOUNT_ATTR.RDONLY);
  try {
    prepareRun(files, session);
    if (session.hidden !== undefined) bringIn(files, session.hidden);
    // What lies in one of the host's places that the sandbox has not got needs no decoy.
    const decoys = session.masks
      .filter((mask) => exists(files, mask.path))
      .map((mask, i) => mountDecoy(files, mask, i, session));
    return session.hidden === undefined ? decoys : [session.hidden.path, ...decoys];
  } finally {
    mounts.setAttributes('/run', MOUNT_ATTR.RDONLY, 0);
    files.umask(umask);
  }
}

function prepareRun(files: Files, session: SessionMounts): void {
  const runtime = `/run/user/${session.uid}`;
  if (files.mkdirat(-100, runtime, 0o700) === 0) files.fchownat(-100, runtime, session.uid, session.gid, 0);
  files.mkdirat(-100, `${PRIVATE}/decoys`, 0o755);
  writeResolver(files);
  if (session.agentSocket >= 0) {
    mounts.moveMount(session.agentSocket, '/run/cordon');
    mounts.setAttributes('/run/cordon', SEALED, 0);
  }
}

/** The only resolver is ours, at 127.0.0.1 in the sandbox's network namespace. */
function writeResolver(files: Files): void {
  if (!exists(files, '/etc/resolv.conf')) return; // resolv.conf(5): without the file, the local machine is asked
  touch(files, RESOLVER_FILE, 0o644);
  const fd = files.open(RESOLVER_FILE, 1);
  files.writeAll(fd, 'nameserver 127.0.0.1\noptions timeout:5 attempts:2\n');
  files.close(fd);
  const link = files.readlink(-100, '/etc/resolv.conf');
  const target = link === '' ? '/etc/resolv.conf' : link.startsWith('/') ? link : `/etc/${link}`;
  if (target.startsWith('/run/') || target.startsWith('/etc/../run/'))
    makeLinked(files, target.replace('/etc/..', ''));
  else mounts.bind(RESOLVER_FILE, '/etc/resolv.conf');
}

function makeLinked(files: Files, target: string): void {
  const parts = target.split('/').slice(1, -1);
  parts.reduce((at, part) => {
    files.mkdirat(-100, `${at}/${part}`, 0o755);
    return `${at}/${part}`;
  }, '');
  touch(files, target, 0o644);
  mounts.bind(RESOLVER_FILE, target);
}

/** Decoys belong to the user, so that every way of opening them is seen: O_NOATIME is for owners. */
function mountDecoy(files: Files, mask: Mask, index: number, owner: SessionMounts): string {
  const decoy = `${PRIVATE}/decoys/${index}`;
  const place = (path: string, directory: boolean): void => {
    if (directory) files.mkdirat(-100, path, 0o755);
    else touch(files, path, 0o644);
    files.fchownat(-100, path, owner.uid, owner.gid, 0);
  };
  place(decoy, mask.directory);
  for (const { name, directory } of mask.entries) place(`${decoy}/${name}`, directory);
  mounts.bind(decoy, mask.path);
  mounts.setAttributes(mask.path, SEALED, 0);
  return mask.path;
}
