// From what a task named to the object really meant, in the mediator's own view of the tree. Everything is pinned by
// O_PATH descriptors: what is judged is what is then acted upon, whatever the task renames meanwhile.
//
// The mediator's root is a copy of the sandbox's tree (same objects, other mounts). A descriptor reached through a magic
// link (/proc/PID/fd, cwd) lies on the sandbox's mounts; `own` finds the same object on ours, or fails.
import { AT, E, O, RESOLVE, type Files, type Stat } from '../../native-bindings/linux/mod.ts';
import type { BytePath } from '../model/mod.ts';
import type { ProcessReader, TaskStatus } from './process-info.ts';

const PIN = O.PATH | O.CLOEXEC;
const CACHED_BASES = 64;
const MAX_LINKS = 40;

/** A pinned object. The owner closes `fd`. */
export interface Located {
  readonly fd: number;
  readonly path: BytePath;
  readonly stat: Stat;
}
/** A pinned directory and the name in it. The owner closes `fd`. `name` may be `.`, `..` or `` (the root). */
export interface Slot {
  readonly fd: number;
  readonly directory: BytePath;
  readonly name: string;
  readonly path: BytePath;
}
/** Resolution failed as it would have for the task. */
export interface Unresolved {
  readonly errno: number;
}
/** No place in the tree: a pipe, a socket, an anonymous inode. The owner closes `fd`. */
export interface Placeless {
  readonly placeless: string;
  readonly fd: number;
  readonly stat: Stat;
}

export const isUnresolved = (x: object): x is Unresolved => 'errno' in x;
export const isPlaceless = (x: object): x is Placeless => 'placeless' in x;
export const join = (directory: string, name: string): BytePath =>
  (directory === '/' ? `/${name}` : `${directory}/${name}`) as BytePath;

interface Base {
  readonly fd: number;
  readonly dev: number;
  readonly ino: number;
}

export class Resolver {
  private readonly files: Files;
  private readonly proc: number;
  private readonly reader: ProcessReader;
  private readonly bases = new Map<string, Base>();

  constructor(files: Files, proc: number, reader: ProcessReader) {
    this.files = files;
    this.proc = proc;
    this.reader = reader;
  }

  /** The object that `path` names for the task; with `follow`, through a final symlink. */
  object(pid: number, dirfd: number, path: string, follow: boolean): Located | Placeless | Unresolved {
    if (path === '') return this.descriptor(pid, dirfd);
    const name = this.forTask(pid, path);
    if (typeof name !== 'string') return name;
    const base = this.base(pid, dirfd, name);
    if (typeof base !== 'number') return base;
    return this.pin(base, name, follow ? 0 : O.NOFOLLOW);
  }

  /** The directory and last name of `path`. The last name is not looked at. */
  slot(pid: number, dirfd: number, path: string): Slot | Unresolved {
    if (path === '') return { errno: E.NOENT };
    const name = this.forTask(pid, path);
    if (typeof name !== 'string') return name;
    const base = this.base(pid, dirfd, name);
    if (typeof base !== 'number') return base;
    return this.slotAt(base, name);
  }

  /** As `slot`, from a directory of ours. */
  slotAt(base: number, path: string): Slot | Unresolved {
    const trimmed = path.replace(/\/+$/, '');
    const cut = trimmed.lastIndexOf('/');
    const name = trimmed.slice(cut + 1);
    const parent = cut > 0 ? trimmed.slice(0, cut) : path.startsWith('/') ? '/' : '.';
    const found = this.pin(base, parent, O.DIRECTORY);
    if (isUnresolved(found)) return found;
    if (isPlaceless(found)) return this.give(found.fd, E.NOTDIR);
    return { fd: found.fd, directory: found.path, name, path: join(found.path, name) };
  }

  /** An object by descriptor of the task. */
  descriptor(pid: number, fd: number): Located | Placeless | Unresolved {
    const where = fd === AT.FDCWD ? `${pid}/cwd` : `${pid}/fd/${fd}`;
    const pinned = this.files.openat(this.proc, where, PIN);
    return pinned < 0 ? { errno: fd === AT.FDCWD ? E.NOENT : E.BADF } : this.own(pinned);
  }

  /** Follows a dangling symlink by hand: where would creating through it create? */
  throughLink(slot: Slot, depth: number): Slot | Unresolved | undefined {
    const target = this.files.readlink(slot.fd, slot.name);
    if (target === '') return undefined;
    if (depth >= MAX_LINKS) return { errno: E.LOOP };
    return this.slotAt(slot.fd, target);
  }

  status(pid: number): TaskStatus | undefined {
    return this.reader.status(pid);
  }

  close(...located: readonly { readonly fd: number }[]): void {
    for (const one of located) this.files.close(one.fd);
  }

  /** `self` in /proc and the links of /dev are the task's, not ours. */
  private forTask(pid: number, path: string): string | Unresolved {
    const own = /^\/+(?:proc\/+(self|thread-self)|dev\/+(fd|stdin|stdout|stderr))(?=\/|$)(.*)$/s.exec(path);
    if (own === null) return path;
    const status = this.reader.status(pid);
    if (status === undefined) return { errno: E.SRCH };
    const rest = own[3] ?? '';
    if (own[1] === 'self') return `/proc/${status.nsPid}${rest}`;
    if (own[1] === 'thread-self') return `/proc/${status.nsPid}/task/${status.nsTid}${rest}`;
    if (own[2] === 'fd') return `/proc/${status.nsPid}/fd${rest}`;
    const number = own[2] === 'stdin' ? 0 : own[2] === 'stdout' ? 1 : 2;
    return `/proc/${status.nsPid}/fd/${number}${rest}`;
  }

  /** Where relative names of the task start, on our mounts. Absolute names start at our root. */
  private base(pid: number, dirfd: number, path: string): number | Unresolved {
    if (path.startsWith('/')) return AT.FDCWD;
    const where = dirfd === AT.FDCWD ? `${pid}/cwd` : `${pid}/fd/${dirfd}`;
    const link = this.files.readlink(this.proc, where);
    const actual = this.files.fstatat(this.proc, where, 0);
    if (actual === undefined || link === '') return { errno: dirfd === AT.FDCWD ? E.NOENT : E.BADF };
    if (!link.startsWith('/')) return { errno: E.NOTDIR };
    const cached = this.bases.get(link);
    if (cached !== undefined && cached.dev === actual.dev && cached.ino === actual.ino) return cached.fd;
    const fd = this.files.openat2(
      AT.FDCWD,
      link,
      PIN | O.DIRECTORY,
      0,
      RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS,
    );
    if (fd < 0) return { errno: fd === -E.NOTDIR ? E.NOTDIR : E.NOENT };
    const found = this.files.fstat(fd);
    if (found === undefined || found.dev !== actual.dev || found.ino !== actual.ino)
      return this.give(fd, E.STALE);
    this.remember(link, { fd, dev: actual.dev, ino: actual.ino });
    return fd;
  }

  private remember(link: string, base: Base): void {
    const old = this.bases.get(link);
    if (old !== undefined) this.files.close(old.fd);
    this.bases.delete(link);
    if (this.bases.size >= CACHED_BASES) {
      const [oldest] = this.bases;
      if (oldest !== undefined) {
        this.files.close(oldest[1].fd);
        this.bases.delete(oldest[0]);
      }
    }
    this.bases.set(link, base);
  }

  private pin(base: number, path: string, flags: number): Located | Placeless | Unresolved {
    const fd = this.files.openat2(base, path, PIN | flags, 0, RESOLVE.NO_MAGICLINKS);
    if (fd >= 0) return this.located(fd);
    if (fd !== -E.LOOP) return { errno: -fd };
    // Either a loop, or a magic link on the way: once more with those, and then the same object on our own mounts.
    const through = this.files.openat2(base, path, PIN | flags, 0, 0);
    return through < 0 ? { errno: -through } : this.own(through);
  }

  /** Takes `fd` over: an object that may lie on the sandbox's mounts. */
  private own(fd: number): Located | Placeless | Unresolved {
    const there = this.located(fd);
    if (isUnresolved(there) || isPlaceless(there)) return there;
    if (there.stat.nlink === 0) return there; // O_TMPFILE and deleted files: only reachable by this descriptor
    const here = this.files.openat2(
      AT.FDCWD,
      there.path,
      PIN | O.NOFOLLOW,
      0,
      RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS,
    );
    const stat = here < 0 ? undefined : this.files.fstat(here);
    this.files.close(fd);
    if (stat === undefined) return { errno: E.NOENT };
    if (stat.dev !== there.stat.dev || stat.ino !== there.stat.ino) return this.give(here, E.STALE);
    return { fd: here, path: there.path, stat };
  }

  private located(fd: number): Located | Placeless | Unresolved {
    const stat = this.files.fstat(fd);
    const path = this.files.pathOf(fd);
    if (stat === undefined || path === '') return this.give(fd, E.IO);
    if (!path.startsWith('/') || isMemoryFile(path, stat)) return { placeless: path, fd, stat };
    return { fd, path: path as BytePath, stat };
  }

  private give(fd: number, errno: number): Unresolved {
    this.files.close(fd);
    return { errno };
  }
}

/** memfd_create(2): the kernel shows it as a deleted file below its own root. */
const isMemoryFile = (path: string, { nlink }: Stat): boolean =>
  nlink === 0 && /^\/memfd:.* \(deleted\)$/s.test(path);
