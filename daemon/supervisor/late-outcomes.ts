// The journal as the notify thread uses it: an intent is on record before anything happens; its outcome is written once
// the task has its answer, and before the next call is looked at. A supervisor that dies in between leaves the intent.
import type { Journal, NewRecord, SessionRecord } from '../model/mod.ts';

export class LateOutcomes implements Journal {
  private readonly journal: Journal;
  private readonly waiting: Parameters<Journal['complete']>[] = [];

  constructor(journal: Journal) {
    this.journal = journal;
  }
  append(record: NewRecord): SessionRecord | undefined {
    return this.journal.append(record);
  }
  complete(...outcome: Parameters<Journal['complete']>): void {
    this.waiting.push(outcome);
  }
  /** The task has its answer. */
  settle(): void {
    if (this.waiting.length === 0) return;
    for (const outcome of this.waiting.splice(0)) this.journal.complete(...outcome);
  }
}
