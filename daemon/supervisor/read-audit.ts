// Opens that the kernel answered from its cache, and all others, as an audit group reports them: folded by object and
// task image, and written to the journal every second; what was on record before is counted on, and written every ten.
// Repeats cost a count, never a record of their own; what was read is not lost.
import type { AuditGroup, Files, Opened } from '../../native-bindings/linux/mod.ts';
import { toText, type BytePath, type Decider, type NewRecord, type ProcessInfo } from '../model/mod.ts';
import type { JournalWriter } from './journal.ts';

type Writing = Pick<JournalWriter, 'appendAll'>;
import type { ProcessReader } from './process-info.ts';

/** Objects kept and remembered; when there are more, all are written and forgotten. */
const MAX_FOLDED = 8192;
const FLUSH_MS = 1000;
const REPEATS_MS = 10_000;

interface Folded {
  readonly object: string;
  readonly path: BytePath;
  /** Since it was written. */
  first: number;
  last: number;
  count: number;
  /** Who was the first of them. */
  process: ProcessInfo;
  isOnRecord: boolean;
}

export interface ReadAuditOptions {
  readonly group: AuditGroup;
  readonly files: Files;
  readonly reader: ProcessReader;
  /** Any descriptor on each watched file system, by fsid. */
  readonly mounts: ReadonlyMap<string, number>;
  readonly ownPid: number;
  /** Unix time in milliseconds, for the records. */
  readonly now: () => number;
  /** Milliseconds of a clock that nobody sets: what is due must not wait for a wall clock that was put back. */
  readonly elapsed: () => number;
}

export class ReadAudit {
  private readonly o: ReadAuditOptions;
  private readonly folded = new Map<string, Folded>();
  private readonly directories = new Map<string, string>();
  private readonly images = new Map<number, ProcessInfo>();
  private flushed: number;
  private flushedRepeats: number;
  private lost = 0;

  constructor(options: ReadAuditOptions) {
    this.o = options;
    this.flushed = this.flushedRepeats = options.elapsed();
  }

  /** Takes one batch of what waits (with `force` everything), and writes what is due. True when something came. */
  drain(journal: Writing, decider: Decider, force = false): boolean {
    let came = this.take();
    while (force && this.take()) came = true;
    const full = force || this.folded.size >= MAX_FOLDED;
    if (full || this.o.elapsed() - this.flushed >= FLUSH_MS) this.flush(journal, decider, full);
    if (full) this.folded.clear();
    return came;
  }

  /** Takes one batch, and writes nothing. False when nothing waited. */
  take(): boolean {
    const { events, lost } = this.o.group.read();
    this.lost += lost;
    for (const event of events) this.fold(event);
    return events.length > 0;
  }

  private fold(event: Opened): void {
    if (event.pid === this.o.ownPid) return;
    const directory = this.directoryOf(event);
    if (directory === undefined) {
      this.lost++;
      return;
    }
    const path = (
      event.name === '.' ? directory : directory === '/' ? `/${event.name}` : `${directory}/${event.name}`
    ) as BytePath;
    const process = this.imageOf(event.pid);
    const key = `${path}\0${process.exe ?? ''}`;
    const now = this.o.now();
    const known = this.folded.get(key);
    if (known === undefined) this.folded.set(key, newlyFolded(path, process, now));
    else {
      if (known.count === 0) [known.first, known.process] = [now, process];
      known.count++;
      known.last = now;
    }
  }

  private directoryOf(event: Opened): string | undefined {
    const known = this.directories.get(event.directory);
    if (known !== undefined) return known;
    const mount = this.o.mounts.get(event.fsid);
    const fd = mount === undefined ? -1 : this.o.group.openDirectory(event, mount);
    if (fd < 0) return undefined;
    const path = this.o.files.pathOf(fd);
    this.o.files.close(fd);
    if (!path.startsWith('/')) return undefined;
    this.directories.set(event.directory, path);
    return path;
  }

  private imageOf(pid: number): ProcessInfo {
    const known = this.images.get(pid);
    if (known !== undefined) return known;
    const info = this.o.reader.brief(pid);
    this.images.set(pid, info);
    return info;
  }

  /** Directories may be renamed and pids reused: what was learned of both holds for one period. */
  private flush(journal: Writing, decider: Decider, all: boolean): void {
    const now = this.o.elapsed();
    const repeats = all || now - this.flushedRepeats >= REPEATS_MS;
    const due = [...this.folded.values()].filter(
      ({ count, isOnRecord }) => count > 0 && (repeats || !isOnRecord),
    );
    const records = due.map((entry) => recordOf(entry, decider));
    journal.appendAll(this.lost > 0 ? [...records, lostRecord(this.lost)] : records);
    for (const entry of due) [entry.count, entry.isOnRecord] = [0, true];
    this.lost = 0;
    this.directories.clear();
    this.images.clear();
    this.flushed = now;
    if (repeats) this.flushedRepeats = now;
  }
}

const newlyFolded = (path: BytePath, process: ProcessInfo, now: number): Folded => ({
  object: toText(path),
  path,
  first: now,
  last: now,
  count: 1,
  process,
  isOnRecord: false,
});

function recordOf(entry: Folded, decider: Decider): NewRecord {
  const verdict = decider.file({ access: 'read', path: entry.path });
  return {
    kind: 'file',
    operation: 'read',
    object: entry.object,
    disposition: verdict.effect === 'allow' ? 'allowed' : 'observed',
    layer: 'fanotify',
    reason:
      verdict.effect === 'allow'
        ? verdict.reason
        : 'opened by a program that may execute it, or before the policy changed',
    rule: { id: verdict.rule.id, source: verdict.rule.source },
    process: entry.process,
    count: entry.count,
    detail: { first: entry.first, last: entry.last },
  };
}

const lostRecord = (count: number): NewRecord => ({
  kind: 'file',
  operation: 'read',
  object: 'objects that were gone when the audit looked',
  disposition: 'observed',
  layer: 'fanotify',
  reason: 'the directory of an open could not be named any more',
  count,
});
