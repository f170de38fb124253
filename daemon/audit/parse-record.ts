// Journal text to a record. Journals are written by root's own supervisor, but a damaged one must not stop the spool.
import type { SessionRecord } from '../model/mod.ts';

/** Undefined unless it has the fields that the spool files it by, and belongs to `session`. */
export function parseRecord(text: string, session: string): SessionRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isRecord(value) && value.session === session ? value : undefined;
}

function isRecord(value: unknown): value is SessionRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { id, session, seq, time, kind, disposition } = value as Record<string, unknown>;
  return (
    [id, session, kind, disposition].every((field) => typeof field === 'string') &&
    Number.isSafeInteger(seq) &&
    typeof time === 'number' &&
    Number.isFinite(time)
  );
}
