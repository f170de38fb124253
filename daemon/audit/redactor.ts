// Every record passes here before it is an event: what policy or good sense keeps out of the log never gets into it.
import { randomBytes } from 'node:crypto';
import { CordonError } from '../model/mod.ts';
import type { RedactionPolicy, SessionRecord } from '../model/mod.ts';
import { redact } from '../ocsf/mod.ts';
import { readIfThere, writeDurably } from './durable-file.ts';

export type Redactor = (record: SessionRecord) => SessionRecord;

const keySize = 32;

/** While the key is locked, what it would hash is dropped: it must not be kept as it is, and the record must be. */
const dropping = (policy: RedactionPolicy): RedactionPolicy => ({
  paths: policy.paths === 'hash' ? 'drop' : policy.paths,
  arguments: policy.arguments === 'hash' ? 'drop' : policy.arguments,
  content: policy.content === 'hash' ? 'drop' : policy.content,
});

/** `keyOf` is asked when something may be hashed: with the first record, and with each while it is locked. */
export function redactor(policy: RedactionPolicy, keyOf: () => Uint8Array | undefined): Redactor {
  const unused = Buffer.alloc(0);
  if (!Object.values(policy).includes('hash')) return (record) => redact(record, policy, unused);
  const locked = dropping(policy);
  let key = keyOf();
  return (record) => {
    key ??= keyOf();
    return key === undefined ? redact(record, locked, unused) : redact(record, policy, key);
  };
}

/** The host's key in a file (hexadecimal), made when it is not there. Throws CordonError when it is no such key. */
export const keyInFile = (file: string) => (): Uint8Array => keyIn(file);

function keyIn(file: string): Buffer {
  if (readIfThere(file) === undefined) writeDurably(file, `${randomBytes(keySize).toString('hex')}\n`);
  const key = Buffer.from((readIfThere(file) ?? '').trim(), 'hex');
  if (key.length === keySize) return key;
  throw new CordonError('unavailable', `${file} holds no key of ${keySize} bytes`, {
    fix: 'restore it, or move it away: hashes made from then on differ from those before',
  });
}
