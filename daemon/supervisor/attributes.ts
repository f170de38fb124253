// Mode, owner, times and extended attributes of an object, by its name or by a descriptor, whatever that was opened for.
import { E, O, S } from '../../native-bindings/linux/mod.ts';
import { fails, refusal, type Answer, type Mediation } from './mediation.ts';
import { judge } from './open.ts';
import { permit, sparing, withObject, withOpen, type Mutation } from './permit.ts';
import type { Located } from './resolver.ts';

const SETID = 0o6000;

export function changeMode(
  m: Mediation,
  call: Mutation,
  dirfd: number,
  path: string,
  mode: number,
  follow: boolean,
): Answer {
  const change = (fd: number): number => m.files.fchmodat(m.proc, m.files.selfPath(fd), mode & 0o1777);
  const use = (object: Located): Answer => {
    const verdict =
      (mode & SETID) === 0
        ? sparing(judge(m, object.path, object.stat, ['write']))
        : refusal('no-setuid', 'set-user-ID and set-group-ID bits cannot be given');
    if ((object.stat.mode & S.IFMT) === S.IFLNK) return fails(E.OPNOTSUPP);
    return permit(m, call, verdict, object.path, undefined, () => change(object.fd));
  };
  return withObject(m, call.pid, dirfd, path, follow, use, change);
}

export function changeOwner(
  m: Mediation,
  call: Mutation,
  dirfd: number,
  path: string,
  uid: number,
  gid: number,
  follow: boolean,
): Answer {
  const change = (fd: number): number => m.files.fchownat(m.proc, m.files.selfPath(fd), uid, gid, 0);
  const use = (object: Located): Answer =>
    permit(m, call, judge(m, object.path, object.stat, ['write']), object.path, undefined, () =>
      change(object.fd),
    );
  return withObject(m, call.pid, dirfd, path, follow, use, change);
}

/** `times`: two struct timespec, or undefined for now. */
export function changeTimes(
  m: Mediation,
  call: Mutation,
  dirfd: number,
  path: string,
  times: Uint8Array | undefined,
  follow: boolean,
): Answer {
  const change = (fd: number): number => m.files.utimensat(m.proc, m.files.selfPath(fd), times, 0);
  const use = (object: Located): Answer =>
    permit(m, call, judge(m, object.path, object.stat, ['write']), object.path, undefined, () =>
      change(object.fd),
    );
  return withObject(m, call.pid, dirfd, path, follow, use, change);
}

export interface Attribute {
  readonly name: string;
  /** undefined removes it. */
  readonly value: Uint8Array | undefined;
  /** XATTR_CREATE, XATTR_REPLACE. */
  readonly flags: number;
}

/** Extended attributes of the `user.` namespace; others need rights that no agent has. */
export function changeAttribute(
  m: Mediation,
  call: Mutation,
  dirfd: number,
  path: string,
  attribute: Attribute,
  follow: boolean,
): Answer {
  const { name, value, flags } = attribute;
  const change = (fd: number): number =>
    withOpen(m.files, m.proc, fd, O.RDONLY | O.NONBLOCK, (open) =>
      value === undefined ? m.files.fremovexattr(open, name) : m.files.fsetxattr(open, name, value, flags),
    );
  const use = (object: Located): Answer => {
    const verdict =
      name.startsWith('user.') || name.startsWith('system.posix_acl_')
        ? judge(m, object.path, object.stat, ['write'])
        : refusal('xattr', 'only user.* attributes and ACLs can be set');
    return permit(m, call, verdict, object.path, undefined, () => change(object.fd));
  };
  return withObject(m, call.pid, dirfd, path, follow, use, change);
}
