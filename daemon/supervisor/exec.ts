// execve(2) and execveat(2). The image really opened is judged by the open thread (fanotify); here the name and the
// arguments are recorded, and a name that is denied is refused with the right error. The kernel then runs the call with
// its own reading of the memory; when the new image starts, what really runs is compared with what was judged.
import { AT, E, S, processes } from '../../native-bindings/linux/mod.ts';
import { objectId, toText, type SessionRecord, type Verdict } from '../model/mod.ts';
import { continues, fails, refusal, type Answer, type Mediation, refused } from './mediation.ts';
import { isLoader, programOf } from './loader.ts';
import { isPlaceless, isUnresolved, type Located, type Placeless } from './resolver.ts';

export interface ExecCall {
  readonly pid: number;
  readonly dirfd: number;
  readonly path: string;
  readonly flags: number;
  /** Bounded copy. */
  readonly argv: readonly string[];
}

interface Pending {
  readonly record: SessionRecord;
  /** As the call named it, and the image that was judged. */
  readonly name: string;
  readonly image: string;
  readonly argv: readonly string[];
}

const MAX_PENDING = 4096;
const MAX_ARGS = 256;
const MAX_ARG_BYTES = 16 * 1024;
const SIGKILL = 9;
const SETID = 0o6000;
/** What becomes of such a bit of an image (execve(2)): said in the record, since nothing is denied. */
const NO_SETID = 'without effect: no_new_privs';
const lookedInVain: ReadonlySet<number> = new Set([E.NOENT, E.NOTDIR, E.ACCES]);
/** Stands for what was not read. */
const CUT = '…';
const argumentsChanged = refusal(
  'argv-changed',
  'the arguments were changed between the decision and the start of the image',
);

const tooManyPending = refusal(
  'exec-pending',
  `${MAX_PENDING} programs run whose arguments have not been compared with what was judged`,
);

export class ExecMediator {
  private readonly pending = new Map<number, Pending>();
  private readonly m: Mediation;
  constructor(m: Mediation) {
    this.m = m;
  }

  /** Reads argv once. undefined: unreadable. What exceeds the bounds is cut, which the record says. */
  readArguments(pid: number, address: number): string[] | undefined {
    if (address === 0) return [];
    const { memory } = this.m;
    const pointers = memory.pointers(pid, address, MAX_ARGS + 1);
    if (pointers === undefined) return undefined;
    const short = memory.shortStrings(pid, pointers.slice(0, processes.SHORT_STRINGS));
    const argv: string[] = [];
    let bytes = 0;
    for (const [i, at] of pointers.entries()) {
      if (i >= MAX_ARGS || bytes >= MAX_ARG_BYTES) return [...argv, CUT];
      const room = MAX_ARG_BYTES - bytes;
      const known = short[i];
      const text = known !== undefined && known.length <= room ? known : memory.string(pid, at, room);
      if (text === undefined) return undefined;
      argv.push(text ?? CUT);
      bytes += text?.length ?? MAX_ARG_BYTES;
    }
    return bytes >= MAX_ARG_BYTES ? [...argv, CUT] : argv;
  }

  exec(call: ExecCall): Answer {
    const { m } = this;
    const found = m.resolver.object(
      call.pid,
      call.dirfd,
      call.path,
      (call.flags & AT.SYMLINK_NOFOLLOW) === 0,
    );
    if (isUnresolved(found)) return fails(found.errno);
    try {
      // As the kernel answers for directories, devices and named pipes, which nobody here must open to look at them.
      if (!isPlaceless(found) && (found.stat.mode & S.IFMT) !== S.IFREG) return fails(E.ACCES);
      return this.judged(call, found);
    } finally {
      m.resolver.close(found);
    }
  }

  private verdict(found: Located | Placeless, unnamed: boolean): Verdict {
    const { m } = this;
    if (unnamed || isPlaceless(found))
      return refusal('unnamed-image', 'only files with a name in the tree can be executed');
    const verdict = m.decider.exec(found.path);
    const never = m.neverExec.has(objectId(found.stat));
    if (verdict.effect !== 'allow' || !never) return verdict;
    return refusal('never-object', 'another name of an image that may never be executed');
  }

  /** What a loader runs is judged like an image. undefined: nothing to object to. */
  private loadedVerdict(
    pid: number,
    image: string,
    argv: readonly string[],
    cut: boolean,
  ): Verdict | undefined {
    const program = isLoader(image) ? programOf(argv, cut) : undefined;
    if (program === undefined) return undefined;
    if (program === null) return refusal('loader', 'it cannot be told what program this would run');
    const found = this.m.resolver.object(pid, AT.FDCWD, program, true);
    if (isUnresolved(found))
      return lookedInVain.has(found.errno)
        ? undefined // the loader will not find it either
        : refusal('loader', 'the program that this would run cannot be looked at');
    try {
      const verdict = this.verdict(found, isPlaceless(found) || found.stat.nlink === 0);
      return verdict.effect === 'allow' ? undefined : verdict;
    } finally {
      this.m.resolver.close(found);
    }
  }

  private judged(call: ExecCall, found: Located | Placeless): Answer {
    const { m } = this;
    // An image without a place (memfd, pipe, deleted file) cannot be judged by name, nor seen by fanotify.
    const placeless = isPlaceless(found);
    const unnamed = placeless || found.stat.nlink === 0;
    const path = placeless ? found.placeless : found.path;
    const limited = m.joinCgroup(call.pid);
    const cut = call.argv.at(-1) === CUT;
    const hindrance = limited
      ? this.crowded()
      : refusal('cgroup', 'the limits of the session could not be applied');
    const verdict =
      hindrance ?? this.loadedVerdict(call.pid, path, call.argv, cut) ?? this.verdict(found, unnamed);
    const sha256 = placeless ? undefined : m.images.of(found.fd, m.proc, toText(found.path), found.stat);
    const detail = {
      argv: call.argv.map(toText),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(!placeless && (found.stat.mode & SETID) !== 0 ? { setId: NO_SETID } : {}),
    };
    const intent = {
      kind: 'exec',
      operation: 'exec',
      object: toText(path),
      layer: 'seccomp-notify',
      detail,
      process: m.reader.brief(call.pid),
    } as const;
    const mode = unnamed || hindrance !== undefined ? 'enforce' : m.mode;
    const permission = m.decide(m.journal, mode, intent, verdict, () => m.reader.tree(call.pid));
    if (!permission.granted) return refused(permission);
    // The new image runs as the thread group's leader, whichever thread asked.
    this.pending.set(m.reader.leaderOf(call.pid) ?? call.pid, {
      record: permission.record,
      name: call.path,
      image: path,
      argv: call.argv,
    });
    return continues;
  }

  /** What was judged is kept until it is compared: when there is no room for more, there are no more executions. */
  private crowded(): Verdict | undefined {
    if (this.pending.size < MAX_PENDING) return undefined;
    for (const pid of this.pending.keys())
      if (this.m.files.fstatat(this.m.proc, `${pid}`, 0) === undefined) this.pending.delete(pid);
    return this.pending.size < MAX_PENDING ? undefined : tooManyPending;
  }

  /** The first call of a new image: its memory now holds the arguments it really got. */
  started(pid: number): Answer {
    const { m } = this;
    const pending = this.pending.get(pid);
    if (pending === undefined) return continues;
    this.pending.delete(pid);
    const actual = m.reader.commandLine(pid);
    const image = m.reader.image(pid);
    // By its real arguments: a script may have a loader for an interpreter.
    const loaded = this.loadedVerdict(pid, image, actual, isLong(actual));
    if (loaded !== undefined && m.mode === 'enforce') {
      m.journal.complete(pending.record, 'KILLED');
      this.kill(pid, pending, actual, loaded);
      return fails(E.PERM);
    }
    const facts = { process: { pid, exe: toText(image) } };
    if (matches(pending.argv, actual, image === pending.image ? undefined : pending.name)) {
      m.journal.complete(pending.record, '0', facts);
      return continues;
    }
    m.journal.complete(pending.record, 'KILLED', facts);
    this.kill(pid, pending, actual, argumentsChanged);
    return fails(E.PERM);
  }

  private kill(pid: number, pending: Pending, actual: readonly string[], verdict: Verdict): void {
    const { m } = this;
    const intent = {
      kind: 'exec',
      operation: 'exec',
      object: pending.record.object,
      layer: 'seccomp-notify',
      detail: { argv: actual.map(toText), judged: pending.argv.map(toText) },
      process: m.reader.brief(pid),
    } as const;
    m.decide(m.journal, 'enforce', intent, verdict, () => m.reader.tree(pid));
    const fd = processes.pidfdOpen(pid);
    if (fd < 0) return;
    processes.pidfdSignal(fd, SIGKILL);
    processes.close(fd);
  }
}

/** One read: the last word may be cut. */
const isLong = (actual: readonly string[]): boolean => actual.join('\0').length >= 4000;

/** Interpreters may be scripts themselves (BINPRM_MAX_RECURSION in fs/exec.c: 5), each with one argument. */
const MAX_SCRIPT_WORDS = 10;

/**
 * The judged arguments must be the actual ones. When the image that runs is not the one that was named, `script` is the
 * name: the kernel then puts interpreters, each with one argument, and that name in place of argv[0]. A cut judged list is
 * compared as far as it goes; so is an actual list longer than one read.
 */
export function matches(judged: readonly string[], actual: readonly string[], script?: string): boolean {
  const cut = judged.at(-1) === CUT;
  const wanted = judged.filter((word) => word !== CUT);
  const long = isLong(actual);
  const same = (list: readonly string[], whole: readonly string[]): boolean =>
    long
      ? sameAsFarAsRead(list, whole, cut)
      : startsWith(list, whole) && (cut || list.length === whole.length);
  if (wanted.length === 0) return cut || actual.length <= 1;
  if (script === undefined) return same(actual, wanted);
  const tail = wanted.slice(1);
  return actual.slice(0, MAX_SCRIPT_WORDS).some((word, i) => {
    const rest = actual.slice(i + 1);
    // binfmt_misc's flag P keeps argv[0] behind the name.
    return i > 0 && isScriptName(word, script) && (same(rest, tail) || same(rest, wanted));
  });
}

/** `list` was read in part: of its last word there is a beginning. */
function sameAsFarAsRead(list: readonly string[], whole: readonly string[], cut: boolean): boolean {
  const [seen, last] = [list.slice(0, -1), list.at(-1) ?? ''];
  const next = whole[seen.length];
  if (next === undefined) return cut && startsWith(seen, whole);
  return startsWith(whole, seen) && next.startsWith(last);
}

/** execveat(2) makes /dev/fd/N of an empty name, and puts /dev/fd/N/ before a relative one. */
const isScriptName = (word: string, name: string): boolean =>
  word === name || (/^\/dev\/fd\/\d+(\/|$)/.test(word) && word.replace(/^\/dev\/fd\/\d+\/?/, '') === name);

const startsWith = (list: readonly string[], head: readonly string[]): boolean =>
  head.every((item, i) => list[i] === item);
