// Every record passes here before it is an event: what policy or good sense keeps out of the log never gets into it.
import { randomBytes } from 'node:crypto';
import { CordonError } from '../model/mod.ts';
import type { RedactionPolicy, SessionRecord, Treatment } from '../model/mod.ts';
import { redact, redactArguments } from '../ocsf/mod.ts';
import type { SealText } from '../ocsf/mod.ts';
import { readIfThere, writeDurably } from '../../native-bindings/files/mod.ts';

export interface Redactor {
  (record: SessionRecord): SessionRecord;
  /** What another thread needs to do the same; undefined while a key is locked, and where something is sealed. */
  readonly portable?: () => PortableRedaction | undefined;
}
export interface PortableRedaction {
  readonly policy: RedactionPolicy;
  readonly key: Uint8Array;
}
export type ArgumentsRedactor = (argv: readonly string[]) => readonly string[];

const keySize = 32;

/** The host's key; undefined while it is locked. */
export type KeyOf = () => Uint8Array | undefined;
/** Seals under the host's key; undefined while that is locked, and where there is none. */
export type SealOf = () => SealText | undefined;

interface Held {
  readonly policy: RedactionPolicy;
  readonly key: Uint8Array;
  readonly seal: SealText | undefined;
}

/** What there is no key for is dropped: it must not be kept as it is, and the record must be. */
function dropping(policy: RedactionPolicy, lost: ReadonlySet<Treatment>): RedactionPolicy {
  const { paths, arguments: given, content } = policy;
  const kept = (treatment: Treatment): Treatment => (lost.has(treatment) ? 'drop' : treatment);
  return { paths: kept(paths), arguments: kept(given), content: kept(content) };
}

const unused = Buffer.alloc(0);

/** What holds now: keys that are needed are asked for at once, and later until they are there. */
function inForce(policy: RedactionPolicy, keyOf: KeyOf, sealOf: SealOf): () => Held {
  const needed = new Set(Object.values(policy) as Treatment[]);
  let key: Uint8Array | undefined;
  let seal: SealText | undefined;
  const look = (): Held => {
    if (needed.has('hash')) key ??= keyOf();
    if (needed.has('seal')) seal ??= sealOf();
    const lost = new Set<Treatment>();
    if (needed.has('hash') && key === undefined) lost.add('hash');
    if (needed.has('seal') && seal === undefined) lost.add('seal');
    return { policy: lost.size === 0 ? policy : dropping(policy, lost), key: key ?? unused, seal };
  };
  let held = look();
  return () => (held.policy === policy ? held : (held = look()));
}

const noSeal: SealOf = () => undefined;

export function redactor(policy: RedactionPolicy, keyOf: KeyOf, sealOf: SealOf = noSeal): Redactor {
  const now = inForce(policy, keyOf, sealOf);
  const seals = Object.values(policy).includes('seal');
  const own = (record: SessionRecord): SessionRecord => {
    const held = now();
    return redact(record, held.policy, held.key, held.seal);
  };
  const portable = (): PortableRedaction | undefined => {
    const { policy: inUse, key } = now();
    return seals || inUse !== policy ? undefined : { policy, key };
  };
  return Object.assign(own, { portable });
}

/** For the command lines of the table of sessions: as those of records, whose launch has what is sealed. */
export function argumentsRedactor(policy: RedactionPolicy, keyOf: KeyOf): ArgumentsRedactor {
  const now = inForce(dropping(policy, new Set(['seal'])), keyOf, noSeal);
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
