// What a file of records holds: one JSON object a line. `event` is the canonical text, byte for byte.
import type { Checkpoint, Entry } from '../entry.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export function entryLine(
  origin: string,
  { position, uid, session, recordClass, text, leaf, chain }: Entry,
): string {
  const facts = {
    log: origin,
    position,
    uid,
    session,
    class: recordClass,
    leaf: hex(leaf),
    chain: hex(chain),
  };
  return `${JSON.stringify(facts).slice(0, -1)},"event":${Buffer.from(text).toString('utf8')}}\n`;
}

export const checkpointLine = (origin: string, { size, note }: Checkpoint): string =>
  `${JSON.stringify({ log: origin, size, checkpoint: note })}\n`;

export interface LastEntry {
  readonly position: number;
  readonly chain: string;
}

/** The last entry of this log in the text of whole lines; undefined when there is none. */
export function lastEntry(origin: string, text: string): LastEntry | undefined {
  for (const line of text.split('\n').reverse()) {
    const facts = factsOf(line);
    if (facts === undefined || facts['log'] !== origin) continue;
    const { position, chain } = facts;
    if (typeof position === 'number' && typeof chain === 'string') return { position, chain };
  }
  return undefined;
}

function factsOf(line: string): Readonly<Record<string, unknown>> | undefined {
  if (line === '') return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Not a line of ours, or the half of one.
  }
}
