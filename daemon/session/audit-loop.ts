// Reads what the audit group tells of opens, on the main thread: between other work, a batch a turn, so that neither a
// question of the kernel nor the client waits behind the bookkeeping of a storm of opens.
import { AuditGroup, Files, O } from '../../native-bindings/linux/mod.ts';
import { createDecider } from '../decision/mod.ts';
import type { CapabilitySet, Decider } from '../model/mod.ts';
import { ProcessReader, ReadAudit, type JournalWriter } from '../supervisor/mod.ts';

/** Milliseconds between two looks: while there is something, and while there is nothing. */
const BUSY_MS = 15;
const IDLE_MS = 250;

export interface AuditSource {
  readonly group: number;
  /** A descriptor on each watched file system, by fsid. */
  readonly mounts: readonly (readonly [string, number])[];
}

export class AuditLoop {
  private readonly audit: ReadAudit;
  private readonly journal: JournalWriter;
  private decider: Decider;
  private timer: NodeJS.Timeout | undefined;

  constructor(source: AuditSource, journal: JournalWriter, capabilitySet: CapabilitySet) {
    const files = new Files();
    this.audit = new ReadAudit({
      group: new AuditGroup(source.group),
      files,
      reader: new ProcessReader(files, files.open('/proc', O.PATH | O.CLOEXEC)),
      mounts: new Map(source.mounts),
      ownPid: process.pid,
      now: Date.now,
      elapsed: () => performance.now(),
    });
    this.journal = journal;
    this.decider = createDecider(capabilitySet);
  }

  start(): void {
    this.timer = setTimeout(() => this.turn(), BUSY_MS).unref();
  }

  /** Takes what the sandbox's own beginning opened; it is recorded once there is a journal. */
  rehearse(): void {
    this.audit.take();
  }

  private turn(): void {
    const came = this.audit.drain(this.journal, this.decider);
    this.timer = setTimeout(() => this.turn(), came ? BUSY_MS : IDLE_MS).unref();
  }

  /** What was read before goes on record under the old policy. */
  replacePolicy(capabilitySet: CapabilitySet): void {
    this.audit.drain(this.journal, this.decider, true);
    this.decider = createDecider(capabilitySet);
  }

  /** Everything that was opened until now is on record when this returns. */
  stop(): void {
    clearTimeout(this.timer);
    this.audit.drain(this.journal, this.decider, true);
  }
}
