// What is on record about a journal itself: damage, numbers that never came, numbers that came again.
import type { NewRecord } from '../model/mod.ts';
import type { JournalDamage } from '../wire/mod.ts';

const journalRecord = (operation: string, reason: string): NewRecord => ({
  kind: 'session',
  operation,
  object: 'journal',
  disposition: 'observed',
  layer: 'journal',
  reason,
});

export const damageRecord = ({ offset, length, reason }: JournalDamage): NewRecord => ({
  ...journalRecord('journal-damage', `${length} bytes at offset ${offset} could not be read: ${reason}`),
  detail: { offset, length },
});

export const holeRecord = (count: number, from: number, to: number): NewRecord => ({
  ...journalRecord('journal-hole', `${count} records between ${from} and ${to} are missing`),
  detail: { count, from, to },
});

export const strangeRecord = journalRecord(
  'journal-damage',
  'a frame was sound but held no record of this session',
);

export const repeatRecord = (seq: number): NewRecord =>
  journalRecord('journal-repeat', `record ${seq} was written again; what came first stands`);
