// Event Log Activity: when cordond opened the log and closed it, and when a new log began. A start without a stop before
// it is a cordond that was killed, or a machine that lost its power.
import type { Audit } from '../audit/mod.ts';
import type { NewRecord } from '../model/mod.ts';

const ofLog = { kind: 'log', disposition: 'observed', layer: 'daemon' } as const;

/** What is to be recorded once the log is open: a new log first says that it took the place of another. */
export function openedRecords(audit: Audit, version: string): NewRecord[] {
  const { origin, base, size } = audit.head();
  const { restarted } = audit;
  const rotated: NewRecord = {
    ...ofLog,
    operation: 'rotate',
    object: origin,
    reason: `the log before it ended and this one began, because ${restarted ?? ''}`,
    detail: { base },
  };
  const started: NewRecord = {
    ...ofLog,
    operation: 'start',
    object: origin,
    reason: `cordond ${version} opened the log`,
    detail: { base, size },
  };
  return restarted === undefined ? [started] : [rotated, started];
}

/** The last of an orderly stop, before the last checkpoint. */
export function closedRecord(audit: Audit, version: string): NewRecord {
  const { origin, base, size } = audit.head();
  return {
    ...ofLog,
    operation: 'stop',
    object: origin,
    reason: `cordond ${version} closes the log`,
    detail: { base, size },
  };
}
