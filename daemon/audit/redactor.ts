// Every record passes here before it is an event: what policy or good sense keeps out of the log never gets into it.
import { randomBytes } from 'node:crypto';
import { CordonError } from '../model/mod.ts';
import type { RedactionPolicy, SessionRecord } from '../model/mod.ts';
import { redact, redactArguments } from '../ocsf/mod.ts';
import { readIfThere, writeDurably } from './durable-file.ts';

export type Redactor = (record: SessionRecord) => SessionRecord;
export type ArgumentsRedactor = (argv: readonly string[]) => readonly string[];

const keySize = 32;

/** The host's key is made in `keyFile` (hexadecimal) when something is to be hashed for the first time. */
export function redactor(policy: RedactionPolicy, keyFile: string): Redactor {
  const key = keyFor(policy, keyFile);
  return (record) => redact(record, policy, key);
}

/** For the command lines of the table of sessions: as those of records. */
export function argumentsRedactor(policy: RedactionPolicy, keyFile: string): ArgumentsRedactor {
  const key = keyFor(policy, keyFile);
  return (argv) => redactArguments(argv, policy, key);
}

const keyFor = (policy: RedactionPolicy, keyFile: string): Buffer =>
  Object.values(policy).includes('hash') ? keyIn(keyFile) : Buffer.alloc(0);

function keyIn(file: string): Buffer {
  if (readIfThere(file) === undefined) writeDurably(file, `${randomBytes(keySize).toString('hex')}\n`);
  const key = Buffer.from((readIfThere(file) ?? '').trim(), 'hex');
  if (key.length === keySize) return key;
  throw new CordonError('unavailable', `${file} holds no key of ${keySize} bytes`, {
    fix: 'restore it, or move it away: hashes made from then on differ from those before',
  });
}
