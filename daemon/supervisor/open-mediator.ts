// The open thread: answers fanotify's permission events (open for reading, open for exec, opening a directory) on the
// sandbox's own mounts, and teaches the kernel what it need not ask again.
//
// Invariants: this thread opens nothing on a watched mount except with O_PATH, which is not watched. A directory's
// decision is cached only where it is the same for everything directly inside, but for names that are not there and are
// watched for; an object's only where it has one name.
import {
  AT,
  E,
  FAN,
  O,
  Poller,
  RESOLVE,
  S,
  drainEvent,
  errnoName,
  type AuditGroup,
  type Files,
  type PermissionGroup,
  type Stat,
} from '../../native-bindings/linux/mod.ts';
import {
  objectId,
  toText,
  type BytePath,
  type Decide,
  type Decider,
  type Journal,
  type Mode,
  type ObjectId,
  type Verdict,
} from '../model/mod.ts';
import { refusal } from './mediation.ts';
import type { ProcessReader } from './process-info.ts';
import type { Remembering } from './remembering.ts';

export interface OpenMediation {
  readonly group: PermissionGroup;
  /** Of files that the command was handed: they lie on mounts of the machine, where nobody else is to be asked about. */
  readonly handed: PermissionGroup;
  /** Of the sandbox. */
  pidNamespace: string;
  readonly files: Files;
  readonly reader: ProcessReader;
  readonly journal: Journal;
  decider: Decider;
  mode: Mode;
  never: ReadonlySet<ObjectId>;
  /** Images that `never` may be executed, by identity. */
  neverExec: ReadonlySet<ObjectId>;
  /** Some `never` object has another name: then no directory may be cached, that name could be in it. */
  neverHasNames: boolean;
  /** O_PATH descriptor of the sandbox's root. */
  root: number;
  readonly decide: Decide;
  /** Our own process: what the mediator or the launch thread opens was decided by them. */
  readonly ownPid: number;
  /** Every open is reported to an audit group: reads are recorded from there, also those never asked about. */
  readonly audited: boolean;
  /** Tells of names that appear in cached directories. */
  readonly names: AuditGroup;
  remembering: Remembering;
  readonly wake: number;
  readonly onWake: () => boolean;
}

const EXEC_PERM = Number(FAN.OPEN_EXEC_PERM);
/** Directories whose cacheability was worked out; cleared with every change of policy. */
const MAX_KNOWN = 20_000;
/** Names that may single out objects in a directory and still leave it worth looking for each of them. */
const MAX_ABSENT = 64;
/** Stands for every name that no rule singles out. No file system entry made by people is called this. */
const ANY_NAME = '\x01any\x01';

type Judge = (fd: number, pid: number, exec: boolean) => boolean;

export class OpenMediator {
  private readonly m: OpenMediation;
  /** Names that must not be in a directory for it to be cached; undefined: it is never cached. */
  private readonly cacheable = new Map<string, readonly string[] | undefined>();
  /** Every name that was looked for in some cached directory. */
  private readonly watchedFor = new Set<string>();
  /** Events of tasks before the session has a policy (pid 1's preparations) are allowed. */
  active = false;

  constructor(m: OpenMediation) {
    this.m = m;
  }

  /** New policy: the kernel forgets every cached decision before this returns. */
  replacePolicy(decider: Decider, mode: Mode): void {
    this.m.group.flush();
    this.cacheable.clear();
    this.m.decider = decider;
    this.m.mode = mode;
    // Once more: a question answered under the old policy may have been cached in between by nobody but us, so this is
    // belt and braces; it costs one call.
    this.m.group.flush();
  }

  serve(): void {
    const { group, handed } = this.m;
    const poller = new Poller([group.fd, this.m.wake, this.m.names.fd, handed.fd]);
    for (;;) {
      if (poller.wait(-1) === 0) continue;
      if (poller.events(1) !== 0) {
        drainEvent(this.m.wake);
        if (!this.m.onWake()) return;
      }
      if (poller.events(2) !== 0) this.appeared();
      if (poller.events(0) !== 0) this.batch(group, (...event) => this.judge(...event));
      if (poller.events(3) !== 0) this.batch(handed, (...event) => this.judgeHanded(...event));
    }
  }

  /**
   * Teaches the kernel about these directories as the first open in each would. Only where all opens are audited: else a
   * question is what reads are recorded by.
   */
  prime(directories: readonly string[]): void {
    if (!this.m.audited) return;
    for (const directory of directories) {
      const path = this.realPath(directory);
      if (path === undefined) continue;
      this.cacheDirectory(`${path}/.` as BytePath, true, FAN.OPEN_EXEC_PERM);
      this.cacheDirectory(`${path}/.` as BytePath, false, FAN.OPEN_PERM);
    }
  }

  /** In the sandbox's tree. */
  private realPath(directory: string): string | undefined {
    const { files, root } = this.m;
    const fd = files.openat2(root, directory, O.PATH | O.DIRECTORY | O.CLOEXEC, 0, RESOLVE.IN_ROOT);
    if (fd < 0) return undefined;
    const path = files.pathOf(fd);
    files.close(fd);
    return path.startsWith('/') && path !== '/' ? path : undefined;
  }

  /** A name that rules single out has appeared in a directory that may be cached: the kernel asks about everything again. */
  private appeared(): void {
    const { events, lost } = this.m.names.read();
    if (lost === 0 && !events.some(({ name }) => this.watchedFor.has(name))) return;
    this.m.group.flush();
    this.cacheable.clear();
  }

  private batch(group: PermissionGroup, judge: Judge): void {
    const n = group.read();
    if (n < 0 && n !== -E.INTR && n !== -E.AGAIN) {
      if (n === -E.BADF || n === -E.INVAL) throw new Error(`fanotify read: ${errnoName(-n)}`);
      // The kernel has denied one event itself, for want of a descriptor; the rest of the batch comes later.
      this.failClosed(0, '', new Error(`an object could not be opened to be judged (${errnoName(-n)})`));
      return;
    }
    while (n > 0 && group.next()) this.event(group, judge);
  }

  private event(group: PermissionGroup, judge: Judge): void {
    const { files } = this.m;
    const fd = group.eventFd;
    if (fd < 0) return;
    let allowed = false;
    try {
      allowed = judge(fd, group.pid, (group.mask & EXEC_PERM) !== 0);
    } finally {
      group.answer(allowed);
      files.close(fd);
    }
  }

  private judge(fd: number, pid: number, exec: boolean): boolean {
    if (pid === this.m.ownPid || !this.active) return true;
    const path = this.m.files.pathOf(fd);
    const stat = this.m.files.fstat(fd);
    if (!path.startsWith('/') || stat === undefined) {
      this.failClosed(pid, path, new Error('the object has no name that can be judged'));
      return false;
    }
    try {
      return this.judgeObject(fd, pid, exec, path as BytePath, stat);
    } catch (error) {
      this.failClosed(pid, path, error);
      return false;
    }
  }

  /** Everybody else on the machine goes on as ever; nothing is cached. */
  private judgeHanded(fd: number, pid: number, exec: boolean): boolean {
    const { ownPid, reader, pidNamespace, files } = this.m;
    const namespace = pid === ownPid ? '' : reader.pidNamespace(pid);
    if (pid === ownPid || (namespace !== '' && namespace !== pidNamespace)) return true;
    const path = files.pathOf(fd);
    try {
      const stat = files.fstat(fd);
      if (!path.startsWith('/') || stat === undefined)
        throw new Error('the file has no name that can be judged');
      const verdict = this.verdict(path as BytePath, stat, exec);
      if (verdict.effect !== 'allow') return this.permission(pid, path as BytePath, exec, verdict, false);
      if (!exec) this.recordRead(pid, path as BytePath, verdict, 'no');
      return true;
    } catch (error) {
      this.failClosed(pid, path, error);
      return false;
    }
  }

  private judgeObject(fd: number, pid: number, exec: boolean, path: BytePath, stat: Stat): boolean {
    const verdict = this.verdict(path, stat, exec);
    if (verdict.effect === 'allow') {
      const cached = this.cache(fd, path, stat, exec);
      // Execs are recorded by the notify thread, with their arguments; reads by the audit, also those never asked about.
      if (!exec && !this.m.audited) this.recordRead(pid, path, verdict, cached);
      return true;
    }
    return this.permission(pid, path, exec, verdict, (stat.mode & S.IFMT) === S.IFDIR);
  }

  private verdict(path: BytePath, stat: Stat, exec: boolean): Verdict {
    const id = objectId(stat);
    if (this.m.never.has(id) || (exec && this.m.neverExec.has(id)))
      return refusal('never-object', 'another name of an object that may never be touched');
    const place = stat.nlink === 0 ? (path.replace(/ \(deleted\)$/, '') as BytePath) : path;
    return exec ? this.m.decider.exec(place) : this.m.decider.file({ access: 'read', path: place });
  }

  private permission(
    pid: number,
    path: BytePath,
    exec: boolean,
    verdict: Verdict,
    directory: boolean,
  ): boolean {
    const m = this.m;
    const intent = {
      kind: exec ? 'exec' : 'file',
      operation: exec ? 'exec' : 'read',
      object: toText(path),
      layer: 'fanotify',
      process: m.reader.brief(pid),
      // To list a directory is less than to read all that is in it.
      ...(directory ? { detail: { directory: true } } : {}),
    } as const;
    return m.decide(m.journal, m.mode, intent, verdict, () => m.reader.tree(pid)).granted;
  }

  private recordRead(pid: number, path: BytePath, verdict: Verdict, cached: string): void {
    // A read that cannot be recorded is still only a read of what policy allows: it goes on (see LIMITATIONS).
    this.m.journal.append({
      kind: 'file',
      operation: 'read',
      object: toText(path),
      disposition: 'allowed',
      layer: 'fanotify',
      reason: verdict.reason,
      rule: { id: verdict.rule.id, source: verdict.rule.source },
      process: this.m.reader.brief(pid),
      detail: { cached },
    });
  }

  /** Returns what the kernel was taught: 'directory', 'object' or 'no'. */
  private cache(fd: number, path: BytePath, stat: Stat, exec: boolean): string {
    const mask = exec ? FAN.OPEN_EXEC_PERM : FAN.OPEN_PERM;
    const directory = (stat.mode & S.IFMT) === S.IFDIR;
    if (!directory && this.cacheDirectory(path, exec, mask)) return 'directory';
    if (stat.nlink !== 1 && !directory) return 'no';
    if (!this.m.group.ignore(fd, mask | (directory ? FAN.ONDIR : 0n), false)) return 'no';
    return this.stillNamed(fd, path) ? 'object' : 'no';
  }

  private cacheDirectory(path: BytePath, exec: boolean, mask: bigint): boolean {
    const parent = (path.slice(0, path.lastIndexOf('/')) || '/') as BytePath;
    const key = `${exec ? 'x' : 'r'}${parent}`;
    const absent = this.mustBeAbsent(key, parent, exec);
    if (absent === undefined) return false;
    const fd = this.m.files.openat2(
      this.m.root,
      `.${parent}`,
      O.PATH | O.DIRECTORY | O.CLOEXEC,
      0,
      RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS,
    );
    if (fd < 0) return false;
    // The directory may have been renamed since: only the one that still has the judged name is cached.
    const done = this.m.remembering.teach(
      () =>
        this.m.files.pathOf(fd) === parent &&
        this.areAbsent(fd, key, absent) &&
        this.m.group.ignore(fd, mask, true) &&
        this.stillNamed(fd, parent),
    );
    this.m.files.close(fd);
    return done;
  }

  /**
   * Asked after a decision was cached: a rename since it was made had its flush before, so this one takes it back. A
   * rename from now on flushes it.
   */
  private stillNamed(fd: number, path: BytePath): boolean {
    if (this.m.files.pathOf(fd) === path) return true;
    this.m.group.flush();
    return false;
  }

  private mustBeAbsent(key: string, directory: BytePath, exec: boolean): readonly string[] | undefined {
    if (this.cacheable.has(key)) return this.cacheable.get(key);
    if (this.cacheable.size >= MAX_KNOWN) this.cacheable.clear();
    const absent = this.m.neverHasNames ? undefined : this.singledOut(directory, exec);
    this.cacheable.set(key, absent);
    return absent;
  }

  /** Names that rules single out in a directory that is otherwise allowed as a whole; undefined when it is not. */
  private singledOut(directory: BytePath, exec: boolean): readonly string[] | undefined {
    const { decider } = this.m;
    const access = exec ? 'exec' : 'read';
    if (decider.uniformBelow(directory, access)) return [];
    const exceptions = decider.exceptionsIn(directory, access);
    const literal =
      exceptions.length > 0 && exceptions.length <= MAX_ABSENT && !exceptions.some((e) => e.wildcard);
    if (!literal) return undefined;
    const any = `${directory === '/' ? '' : directory}/${ANY_NAME}` as BytePath;
    const { effect, obligations } = exec ? decider.exec(any) : decider.file({ access: 'read', path: any });
    return effect === 'allow' && obligations.length === 0 ? exceptions.map(({ name }) => name) : undefined;
  }

  /** Watched first, looked at then: what appears in between is seen by one of the two. */
  private areAbsent(directory: number, key: string, names: readonly string[]): boolean {
    if (names.length === 0) return true;
    if (!this.m.names.watchNames(directory)) return false;
    for (const name of names) this.watchedFor.add(name);
    if (!names.some((name) => nameExists(this.m.files, directory, name))) return true;
    this.cacheable.set(key, undefined);
    return false;
  }

  private failClosed(pid: number, path: string, error: unknown): void {
    const m = this.m;
    const reason = `the mediator failed: ${error instanceof Error ? error.message : String(error)}`;
    const intent = {
      kind: 'file',
      operation: 'read',
      object: toText(path),
      layer: 'decision',
      process: { pid },
    } as const;
    m.decide(m.journal, 'enforce', intent, refusal('mediator-failure', reason), () => []);
  }
}

const nameExists = (files: Files, directory: number, name: string): boolean =>
  files.fstatat(directory, name, AT.SYMLINK_NOFOLLOW) !== undefined;
