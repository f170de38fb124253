// Every record passes here before it is an event: what policy or good sense keeps out of the log never gets into it.
import { randomBytes } from 'node:crypto';
import { CordonError } from '../model/mod.ts';
import type { RedactionPolicy, SessionRecord } from '../model/mod.ts';
import { redact, redactArguments } from '../ocsf/mod.ts';
import { readIfThere, writeDurably } from './durable-file.ts';

export type Redactor = (record: SessionRecord) => SessionRecord;
export type ArgumentsRedactor = (argv: readonly string[]) => readonly string[];

const keySize = 32;

/** The host's key; undefined while it is locked. */
export type KeyOf = () => Uint8Array | undefined;

/** While the key is locked, what it would hash is dropped: it must not be kept as it is, and the record must be. */
const dropping = (policy: RedactionPolicy): RedactionPolicy => ({
  paths: policy.paths === 'hash' ? 'drop' : policy.paths,
  arguments: policy.arguments === 'hash' ? 'drop' : policy.arguments,
  content: policy.content === 'hash' ? 'drop' : policy.content,
});

/** What holds now: `keyOf` is asked when something may be hashed, at once, and later until it answers. */
function inForce(
  policy: RedactionPolicy,
  keyOf: KeyOf,
): () => { readonly policy: RedactionPolicy; readonly key: Uint8Array } {
  const unused = Buffer.alloc(0);
  const keyless = { policy: dropping(policy), key: unused };
  if (!Object.values(policy).includes('hash')) return () => keyless;
  let key = keyOf();
  return () => {
    key ??= keyOf();
    return key === undefined ? keyless : { policy, key };
  };
}

export function redactor(policy: RedactionPolicy, keyOf: KeyOf): Redactor {
  const now = inForce(policy, keyOf);
  return (record) => {
    const held = now();
    return redact(record, held.policy, held.key);
  };
}

/** For the command lines of the table of sessions: as those of records. */
export function argumentsRedactor(policy: RedactionPolicy, keyOf: KeyOf): ArgumentsRedactor {
  const now = inForce(policy, keyOf);
  return (argv) => {
    const held = now();
    return redactArguments(argv, held.policy, held.key);
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
