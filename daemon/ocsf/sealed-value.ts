// A value of a record that only holders of a key can read: `sealed:<key id>:<base64url of nonce, ciphertext and tag>`. What
// is hashed, chained and shipped is this text. It is bound to its record: copied into another it opens no more, so that
// nobody can have a reader shown one record's words as another's.
import { createHash } from 'node:crypto';
import type { SessionRecord } from '../model/mod.ts';
import { nonceSize, tagSize, xaesOpen, xaesSealer } from './xaes.ts';

/** `record`: id of the record that the text is in. */
export type SealText = (text: string, record: string) => string;
/** Undefined: not by a key of ours, or not of this record. */
export type OpenText = (sealed: string, record: string) => string | undefined;

/** UTF-8 bytes of a text; what is longer is cut. So the envelope fits into a text of an event. */
export const maxSealedText = 12_000;
const idLength = 16;
const shortest = Math.ceil(((nonceSize + tagSize) * 4) / 3);
const longest = Math.ceil(((nonceSize + tagSize + maxSealedText) * 4) / 3);
const form = `sealed:[0-9a-f]{${idLength}}:[A-Za-z0-9_-]{${shortest},${longest}}`;
const whole = new RegExp(`^${form}$`);
/** Wherever they stand in a text. */
export const sealedValues = new RegExp(form, 'g');

export const isSealed = (text: string): boolean => whole.test(text);

/** Tells keys apart, and says nothing about them. */
export const sealingKeyId = (key: Uint8Array): string =>
  createHash('sha256').update('cordon-sealing-key/1\0').update(key).digest('hex').slice(0, idLength);

const about = (id: string, record: string): Buffer => Buffer.from(`cordon-sealed-value/1\0${id}\0${record}`);

function bytesOf(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= maxSealedText) return bytes;
  // Not within a character.
  let end = maxSealedText - 3;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return Buffer.concat([bytes.subarray(0, end), Buffer.from('…')]);
}

/** `key`: 32 bytes. */
export function valueSealer(key: Uint8Array): SealText {
  const id = sealingKeyId(key);
  const seal = xaesSealer(key);
  return (text, record) => `sealed:${id}:${seal(bytesOf(text), about(id, record)).toString('base64url')}`;
}

export function valueOpener(keys: readonly Uint8Array[]): OpenText {
  const known = new Map(keys.map((key) => [sealingKeyId(key), key]));
  return (sealed, record) => {
    if (!isSealed(sealed)) return undefined;
    const [, id = '', text = ''] = sealed.split(':');
    const key = known.get(id);
    const box = Buffer.from(text, 'base64url');
    // One text for one value: bits that no decoder looks at would otherwise be anybody's to change.
    if (key === undefined || box.toString('base64url') !== text) return undefined;
    const plain = xaesOpen(key, box.subarray(0, nonceSize), box.subarray(nonceSize), about(id, record));
    return plain?.toString('utf8');
  };
}

export interface Revealed {
  readonly record: SessionRecord;
  /** Values that were opened, and that were not. */
  readonly opened: number;
  readonly closed: number;
}

/** The record with what was sealed in it. */
export function revealed(record: SessionRecord, open: OpenText): Revealed {
  let [opened, closed] = [0, 0];
  const text = (given: string): string =>
    given.replace(sealedValues, (sealed) => {
      const plain = open(sealed, record.id);
      if (plain === undefined) closed += 1;
      else opened += 1;
      return plain ?? sealed;
    });
  const each = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value);
    if (Array.isArray(value)) return value.map(each);
    return typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, each(one)]))
      : value;
  };
  return { record: each(record) as SessionRecord, opened, closed };
}
