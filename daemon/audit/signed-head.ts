// The last head that may have been signed, in a file beside the database: a database that was put back to an earlier
// state is told by it. Written before anything is signed.
import { base64Of, hashFromBase64 } from '../proof/mod.ts';
import type { Hash } from '../proof/mod.ts';
import { readIfThere, writeDurably } from '../../native-bindings/files/mod.ts';

export interface SignedHead {
  /** Of the log: 1, 2, … */
  readonly number: number;
  readonly origin: string;
  /** Position of the log's first entry. */
  readonly base: number;
  readonly size: number;
  readonly root: Hash;
}

export function writeHead(path: string, { root, ...rest }: SignedHead): void {
  writeDurably(path, `${JSON.stringify({ ...rest, root: base64Of(root) })}\n`);
}

/** `missing`: there is no such file. `unreadable`: it is not what we write. */
export function readHead(path: string): SignedHead | 'missing' | 'unreadable' {
  const text = readIfThere(path);
  if (text === undefined) return 'missing';
  try {
    return headOf(JSON.parse(text) as Record<string, unknown>) ?? 'unreadable';
  } catch {
    return 'unreadable';
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function headOf({ number, origin, base, size, root }: Record<string, unknown>): SignedHead | undefined {
  const hash = typeof root === 'string' ? hashFromBase64(root) : undefined;
  if (!isCount(number) || !isCount(base) || !isCount(size)) return undefined;
  if (typeof origin !== 'string' || hash === undefined) return undefined;
  return { number, origin, base, size, root: hash };
}
