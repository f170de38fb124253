// Checkpoints (C2SP tlog-checkpoint): a log's size and root as the text of a signed note. No extension lines.
import { CordonError } from '../model/mod.ts';
import { base64Of, emptyRoot, hashFromBase64 } from './hash.ts';
import type { Hash } from './hash.ts';
import { isKeyName } from './note-key.ts';

export interface Checkpoint {
  /** Which log: a URL without scheme. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  readonly root: Hash;
}

export const formatCheckpoint = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${base64Of(root)}\n`;

/** The text of a note, with its last newline. Throws CordonError('protocol'). */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  if (lines.length !== 4 || lines[3] !== '')
    throw malformed('it has not three lines, or has lines beyond them');
  const [origin = '', digits = '', base64 = ''] = lines;
  if (!isKeyName(origin)) throw malformed('the origin is empty or has spaces or plus signs');
  const size = Number(digits);
  if (!/^(?:0|[1-9]\d{0,15})$/.test(digits) || !Number.isSafeInteger(size)) throw malformed('no tree size');
  const root = hashFromBase64(base64);
  if (root === undefined) throw malformed('no root hash');
  if (size === 0 && root !== emptyRoot) throw malformed('the root of an empty tree is another');
  return { origin, size, root };
}

const malformed = (why: string): CordonError => new CordonError('protocol', `not a checkpoint: ${why}`);
