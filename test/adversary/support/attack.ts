// One attack: a case of the probe, what it does where there is no Cordon, and what Cordon must have written down.
import type { SessionRecord } from '../../../daemon/model/mod.ts';
import type { Site } from './site.ts';

export type ProbeResult = 'blocked' | 'succeeded' | 'unsupported';

export interface Outcome {
  readonly case: string;
  readonly result: ProbeResult;
  readonly errno: string;
  readonly detail: string;
}

/** What the record of a denial must say. Every part given must match. */
export interface RecordMatch {
  readonly kind?: SessionRecord['kind'] | readonly SessionRecord['kind'][];
  readonly operation?: RegExp;
  /** Part of the object or of the second object. */
  readonly object?: string;
}

export interface Attack {
  readonly case: string;
  /** A sentence: what must not be possible. */
  readonly title: string;
  /**
   * succeeds: without Cordon it works, which shows that the case can fail.
   * refused: the kernel refuses this user anyway; Cordon must refuse and record it all the same.
   * not-run: not tried without Cordon (it would touch the real home, or need an address off this machine).
   */
  readonly native: 'succeeds' | 'refused' | 'not-run';
  /** Undefined when nothing is recorded, and then `unrecorded` says why that is right. */
  readonly record?: ((site: Site) => RecordMatch) | undefined;
  readonly unrecorded?: string;
  /** Did it take effect? Looked at from outside. The usual answer: the picture changed, or the canary came out. */
  readonly happened?: ((site: Site, outcome: Outcome) => boolean | Promise<boolean>) | undefined;
  /** The case must work inside the sandbox too: it shows that the refusals around it are not refusals of everything. */
  readonly allowed?: boolean;
  /** How Cordon lets this case end when the attempt itself may go through without effect. */
  readonly mayReport?: ProbeResult;
}

const kindsOf = (match: RecordMatch): readonly string[] | undefined => {
  if (match.kind === undefined) return undefined;
  return typeof match.kind === 'string' ? [match.kind] : match.kind;
};

export function recordMatches(record: SessionRecord, match: RecordMatch): boolean {
  if (record.disposition !== 'denied') return false;
  if (kindsOf(match)?.includes(record.kind) === false) return false;
  if (match.operation !== undefined && !match.operation.test(record.operation)) return false;
  if (match.object === undefined) return true;
  return record.object.includes(match.object) || (record.object2?.includes(match.object) ?? false);
}

/** A line of the probe's output, checked. */
export function parseOutcome(line: string): Outcome | undefined {
  if (!line.startsWith('{"case":')) return undefined;
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) return undefined;
  const { case: name, result, errno, detail } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof errno !== 'string' || typeof detail !== 'string') return undefined;
  if (result !== 'blocked' && result !== 'succeeded' && result !== 'unsupported') return undefined;
  return { case: name, result, errno, detail };
}
