// open(2), openat(2) and creat(2) with flags that write: carried out on behalf, on the object that was judged.
import { AT, E, O, S, type Stat } from '../../native-bindings/linux/mod.ts';
import {
  objectId,
  strictest,
  toText,
  type BytePath,
  type Decider,
  type FileAccess,
  type ProcessInfo,
  type Verdict,
} from '../model/mod.ts';
import { continues, fails, outcomeOf, refusal, type Answer, type Mediation, refused } from './mediation.ts';
import { write } from './repositories.ts';
import { isDots } from './permit.ts';
import { isPlaceless, isUnresolved, type Located, type Slot } from './resolver.ts';

export interface OpenCall {
  readonly pid: number;
  readonly dirfd: number;
  readonly path: string;
  readonly flags: number;
  readonly mode: number;
}

/** A name that changes while it is looked at is tried again this often, then refused. */
const MAX_TRIES = 16;
const SETID = 0o6000;
const CREATION = O.CREAT | O.EXCL | O.NOFOLLOW | O.TMPFILE_BIT;

/** Devices of /dev with the access that was allowed, under the decider that said so. */
const granted = new WeakMap<Decider, Set<string>>();

export function mediateOpen(m: Mediation, call: OpenCall): Answer {
  // Shells open /dev/null all the time. The answer would be the same: the kernel opens it with the task's own rights.
  if (granted.get(m.decider)?.has(grantOf(call)) === true) return continues;
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const answer = tryOpen(m, call);
    if (answer !== 'again') return answer;
  }
  return refuseOpen(m, call, refusal('unsettled', 'the name kept changing while it was being opened'));
}

function tryOpen(m: Mediation, call: OpenCall): Answer | 'again' {
  if (mustBeNew(call)) return createNew(m, call);
  const found = m.resolver.object(call.pid, call.dirfd, call.path, (call.flags & O.NOFOLLOW) === 0);
  if (isUnresolved(found)) {
    if (found.errno === E.NOENT && (call.flags & O.CREAT) !== 0) return create(m, call);
    return found.errno === E.NOENT ? absent(m, call) : fails(found.errno);
  }
  try {
    // A pipe or socket of the task's own, reopened through /proc: the kernel gives what the task already has.
    if (isPlaceless(found)) return letThrough(m, call);
    return openFound(m, call, found);
  } finally {
    m.resolver.close(found);
  }
}

/** What the machine has and the sandbox has not (a device, /sys, another process) is not there; that it was tried is recorded. */
function absent(m: Mediation, call: OpenCall): Answer {
  if (!m.onlyOutside(call.path)) return fails(E.NOENT);
  const verdict = refusal('not-in-sandbox', "this is the machine's, and not in the sandbox's own tree");
  m.decide(m.journal, 'enforce', intentOf(m, call, call.path, 'open'), verdict, () =>
    m.reader.tree(call.pid),
  );
  return fails(E.NOENT);
}

/**
 * openat2(2): `flags` and `mode` are copies of what lies in the task's memory, so the kernel must not run the call with what
 * may be there later. What policy denies is refused and recorded here; the rest answers ENOSYS, as a kernel before 5.6 does,
 * and the program asks again with openat(2), which is decided and recorded as ever.
 */
export function mediateOpenHow(m: Mediation, call: OpenCall): Answer {
  if ((call.flags & O.PATH) !== 0) return fails(E.NOSYS);
  const asked = askedFor(m, call);
  if (asked === undefined || asked.verdict.effect === 'allow') return fails(E.NOSYS);
  const writes = accessesOf(call.flags).includes('write');
  const permission = m.decide(
    m.journal,
    m.mode,
    intentOf(m, call, asked.path, writes ? 'open' : 'read'),
    asked.verdict,
    () => m.reader.tree(call.pid),
  );
  return permission.granted ? fails(E.NOSYS) : refused(permission);
}

/** undefined: nothing that a rule could name; openat(2) will say so. */
function askedFor(
  m: Mediation,
  call: OpenCall,
): { readonly path: string; readonly verdict: Verdict } | undefined {
  const found = m.resolver.object(call.pid, call.dirfd, call.path, (call.flags & O.NOFOLLOW) === 0);
  if (isUnresolved(found)) return (call.flags & O.CREAT) === 0 ? undefined : newName(m, call);
  try {
    if (isPlaceless(found)) return undefined;
    return { path: found.path, verdict: judge(m, found.path, found.stat, accessesOf(call.flags)) };
  } finally {
    m.resolver.close(found);
  }
}

function newName(
  m: Mediation,
  call: OpenCall,
): { readonly path: string; readonly verdict: Verdict } | undefined {
  const slot = m.resolver.slot(call.pid, call.dirfd, call.path);
  if (isUnresolved(slot)) return undefined;
  m.resolver.close(slot);
  return { path: slot.path, verdict: write(m, slot.path) };
}

function accessesOf(flags: number): FileAccess[] {
  const mode = flags & O.ACCMODE;
  const accesses: FileAccess[] = [];
  if (mode !== O.WRONLY) accesses.push('read');
  if (mode !== O.RDONLY || (flags & O.TRUNC) !== 0) accesses.push('write');
  return accesses;
}

function openFound(m: Mediation, call: OpenCall, found: Located): Answer {
  const kind = found.stat.mode & S.IFMT;
  if (kind === S.IFLNK) return fails(E.LOOP);
  if (kind === S.IFDIR) return openDirectory(m, call, found);
  const accesses = accessesOf(call.flags);
  // O_CREAT on what exists, for reading: nothing is written; the kernel opens it and reads are judged there.
  if (!accesses.includes('write')) return continues;
  const verdict = judge(m, found.path, found.stat, accesses);
  // Files of /proc act on what they belong to: never opened with the mediator's rights, whatever a profile says.
  if (kind !== S.IFREG || found.path.startsWith('/proc/')) return openSpecial(m, call, found, verdict);
  const permission = m.decide(m.journal, m.mode, intentOf(m, call, found.path, 'open'), verdict, () =>
    m.reader.tree(call.pid),
  );
  if (!permission.granted) return refused(permission);
  const fd = m.files.openat(
    m.proc,
    m.files.selfPath(found.fd),
    (call.flags & ~CREATION) | O.CLOEXEC | O.NOCTTY,
  );
  m.journal.complete(permission.record, outcomeOf(fd));
  return handOver(call, fd);
}

/** Devices of the private /dev, named pipes, /proc: opened by the task itself with its own rights, since opening them acts on the opener. */
function openSpecial(m: Mediation, call: OpenCall, found: Located, verdict: Verdict): Answer {
  // Landlock, which no policy loosens, lets the agent write to devices and named pipes only.
  if (verdict.effect === 'allow' && m.landlock && found.path.startsWith('/proc/'))
    return refuseOpen(
      m,
      call,
      refusal('proc-write', 'nothing below /proc can be opened for writing'),
      found.path,
    );
  if (verdict.effect === 'allow') {
    const answer = letThrough(m, call, found.path);
    if (answer === continues && call.path === found.path) grant(m.decider, call, found);
    return answer;
  }
  const permission = m.decide(m.journal, m.mode, intentOf(m, call, found.path, 'open'), verdict, () =>
    m.reader.tree(call.pid),
  );
  return permission.granted ? letThrough(m, call, found.path) : refused(permission);
}

const noTruncation = refusal(
  'truncate-reading',
  'what is not opened for writing cannot be truncated by that',
);

/**
 * The kernel opens what the name means by then. Landlock lets it write to devices and named pipes only; a truncation
 * without writing would be held by the read-only mounts alone.
 */
function letThrough(m: Mediation, call: OpenCall, path: string = call.path): Answer {
  const access = call.flags & O.ACCMODE;
  const writes = access === O.WRONLY || access === O.RDWR;
  return writes || (call.flags & O.TRUNC) === 0 ? continues : refuseOpen(m, call, noTruncation, path);
}

/** Only what stands in /dev itself, where nothing is made or removed. */
function grant(decider: Decider, call: OpenCall, { path, stat }: Located): void {
  if ((stat.mode & S.IFMT) !== S.IFCHR || !/^\/dev\/[a-z]+$/.test(path)) return;
  const devices = granted.get(decider) ?? new Set<string>();
  granted.set(decider, devices.add(grantOf(call)));
}

/** What may be written may still not be read. */
const grantOf = ({ path, flags }: OpenCall): string => `${flags & (O.ACCMODE | O.TRUNC)} ${path}`;

function openDirectory(m: Mediation, call: OpenCall, found: Located): Answer {
  if ((call.flags & O.TMPFILE_BIT) === 0) return fails(E.ISDIR);
  if ((call.mode & SETID) !== 0) return refuseOpen(m, call, noSetId, found.path, 'tmpfile');
  const probe = `${found.path === '/' ? '' : found.path}/#tmpfile` as BytePath;
  const verdict = write(m, probe);
  const permission = m.decide(m.journal, m.mode, intentOf(m, call, found.path, 'tmpfile'), verdict, () =>
    m.reader.tree(call.pid),
  );
  if (!permission.granted) return refused(permission);
  applyUmask(m, call.pid);
  const fd = m.files.openat(
    m.proc,
    m.files.selfPath(found.fd),
    (call.flags & ~O.NOFOLLOW) | O.CLOEXEC,
    call.mode & 0o777,
  );
  m.journal.complete(permission.record, outcomeOf(fd));
  return handOver(call, fd);
}

const mustBeNew = ({ flags }: OpenCall): boolean => (flags & (O.CREAT | O.EXCL)) === (O.CREAT | O.EXCL);

function createNew(m: Mediation, call: OpenCall): Answer | 'again' {
  if (call.path.endsWith('/')) return fails(E.ISDIR);
  const slot = m.resolver.slot(call.pid, call.dirfd, call.path);
  if (isUnresolved(slot)) return fails(slot.errno);
  try {
    return createIn(m, call, slot);
  } finally {
    m.resolver.close(slot);
  }
}

/** The name is not there. Creates it in its pinned directory, or says 'again' when something appeared meanwhile. */
function create(m: Mediation, call: OpenCall): Answer | 'again' {
  if (call.path.endsWith('/')) return fails(E.ISDIR);
  let slot = m.resolver.slot(call.pid, call.dirfd, call.path);
  const nofollow = (call.flags & O.NOFOLLOW) !== 0;
  for (let depth = 0; ; depth++) {
    if (isUnresolved(slot)) return fails(slot.errno);
    const next = m.resolver.throughLink(slot, depth);
    if (next === undefined) break;
    m.resolver.close(slot);
    if (nofollow) {
      if (!isUnresolved(next)) m.resolver.close(next);
      return fails(E.LOOP);
    }
    slot = next;
  }
  try {
    return createIn(m, call, slot);
  } finally {
    m.resolver.close(slot);
  }
}

const noSetId = refusal('no-setuid', 'files with set-user-ID or set-group-ID cannot be made');

function createIn(m: Mediation, call: OpenCall, slot: Slot): Answer | 'again' {
  if (isDots(slot.name)) return fails(mustBeNew(call) ? E.EXIST : E.ISDIR);
  if (m.files.fstatat(slot.fd, slot.name, AT.SYMLINK_NOFOLLOW) !== undefined)
    return mustBeNew(call) ? fails(E.EXIST) : 'again'; // a symlink too is in the way of what must be new
  if ((call.mode & SETID) !== 0) return refuseOpen(m, call, noSetId, slot.path);
  const accesses = [...new Set<FileAccess>(['write', ...accessesOf(call.flags)])];
  const verdict = strictest(
    accesses.map((access) =>
      access === 'write' ? write(m, slot.path) : m.decider.file({ access, path: slot.path }),
    ),
  );
  const permission = m.decide(m.journal, m.mode, intentOf(m, call, slot.path, 'create'), verdict, () =>
    m.reader.tree(call.pid),
  );
  if (!permission.granted) return refused(permission);
  applyUmask(m, call.pid);
  const flags = call.flags | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC | O.NOCTTY;
  const fd = m.files.openat(slot.fd, slot.name, flags, call.mode & 0o1777);
  m.journal.complete(permission.record, outcomeOf(fd));
  if (fd === -E.EXIST && !mustBeNew(call)) return 'again';
  return handOver(call, fd);
}

function handOver(call: OpenCall, fd: number): Answer {
  return fd < 0 ? fails(-fd) : { kind: 'descriptor', fd, cloexec: (call.flags & O.CLOEXEC) !== 0 };
}

/** `never` holds for the object: whatever name leads to it. */
export function judge(m: Mediation, path: BytePath, stat: Stat, accesses: readonly FileAccess[]): Verdict {
  if (m.never.has(objectId(stat)))
    return refusal('never-object', 'another name of an object that may never be touched');
  const place = stat.nlink === 0 ? (path.replace(/ \(deleted\)$/, '') as BytePath) : path;
  return strictest(
    accesses.map((access) =>
      access === 'write' ? write(m, place) : m.decider.file({ access, path: place }),
    ),
  );
}

/** The mediator takes on the task's umask: the kernel then applies it, or a default ACL, as it would have. */
export function applyUmask(m: Mediation, pid: number): void {
  const status = m.reader.status(pid);
  m.files.umask(status?.umask ?? 0o077);
}

const who = (m: Mediation, pid: number): ProcessInfo => m.reader.brief(pid);

function intentOf(
  m: Mediation,
  call: OpenCall,
  path: string,
  operation: string,
): Parameters<Mediation['decide']>[2] {
  return {
    kind: 'file',
    operation:
      operation === 'open' && (call.flags & O.TRUNC) !== 0
        ? 'truncate'
        : operation === 'open'
          ? 'write'
          : operation,
    object: toText(path),
    layer: 'seccomp-notify',
    process: who(m, call.pid),
  };
}

function refuseOpen(
  m: Mediation,
  call: OpenCall,
  verdict: Verdict,
  path: string = call.path,
  operation = 'open',
): Answer {
  m.decide(m.journal, 'enforce', intentOf(m, call, path, operation), verdict, () => m.reader.tree(call.pid));
  return fails(E.ACCES);
}
