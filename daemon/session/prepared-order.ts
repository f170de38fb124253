// A launch that was prepared ahead, and whether the one that came is the same in all that the preparation used.
import { createHash } from 'node:crypto';
import type { Launch } from '../wire/mod.ts';

export interface PreparedOrder {
  readonly order: Launch;
  /** Of its plan. */
  readonly digest: string;
}

/** SHA-256 (hex) of the plan's JSON. */
export const planDigest = (plan: string): string => createHash('sha256').update(plan).digest('hex');

/** What is known only at the launch: the command, its surroundings, the size of its terminal, what it has of who asks. */
const ofTheLaunch = new Set<keyof Launch>([
  'argv',
  'environment',
  'cwd',
  'rows',
  'columns',
  'umask',
  'oomScoreAdj',
  'plan',
  'prepared',
]);

/** Names what differs; undefined: nothing. */
export function fits({ order, digest }: PreparedOrder, launch: Launch): string | undefined {
  if (launch.prepared !== digest) return 'the plan';
  const keys = Object.keys(order) as (keyof Launch)[];
  return keys.find((key) => !ofTheLaunch.has(key) && text(order[key]) !== text(launch[key]));
}

const text = (value: Launch[keyof Launch]): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : JSON.stringify(value);
