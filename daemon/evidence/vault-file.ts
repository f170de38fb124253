// cordond's own secrets at rest: a sealed document, and beside it in the clear the key that the record is signed with.
import { CordonError } from '../model/mod.ts';
import { Fields, parsed } from './json.ts';
import { readSealed, sealedText } from './sealed.ts';
import type { Sealed } from './sealed.ts';

export interface VaultFile {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Buffer;
  readonly sealed: Sealed;
}

const type = 'cordon-keys/1';

export const vaultText = ({ publicKey, sealed }: VaultFile): string =>
  JSON.stringify({ type, recordKey: publicKey.toString('base64'), sealed: sealedText(sealed) });

/** Throws CordonError. */
export function readVaultFile(text: string): VaultFile {
  const fields = new Fields('keys', parsed('keys', text));
  fields.one('type', [type]);
  const result = {
    publicKey: fields.bytes('recordKey', 32),
    sealed: readSealed(fields.text('sealed', 256 * 1024)),
  };
  fields.end();
  return result;
}

/** Either kind of sealed file: what is inside. */
export const sealedIn = (text: string): Sealed =>
  text.startsWith(`{"type":"${type}"`) ? readVaultFile(text).sealed : readSealed(text);

/** What is in the vault, by name. */
export type Secrets = ReadonlyMap<string, string>;

/** The content of an opened vault. Throws CordonError. */
export function readSecrets(content: Buffer): Secrets {
  const fields = new Fields('secrets', parsed('secrets', content.toString('utf8')));
  return new Map(
    fields.entries().map(([name, value]) => {
      if (typeof value === 'string') return [name, value];
      throw new CordonError('protocol', `the secret ${name} is no text`);
    }),
  );
}

const sealingKeysName = 'record-sealing-keys';
const keySize = 32;

/** Keys that values of records are sealed under, in hexadecimal, a line each: the last one seals. */
export const sealingKeys = {
  name: sealingKeysName,
  /** Throws CordonError for a text that is no such list. */
  read: (text: string | undefined): readonly Buffer[] =>
    (text ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const key = Buffer.from(line, 'hex');
        if (key.length === keySize && key.toString('hex') === line) return key;
        throw new CordonError('protocol', `${sealingKeysName}: a line is no key of ${keySize} bytes`);
      }),
  text: (keys: readonly Uint8Array[]): string =>
    keys.map((key) => Buffer.from(key).toString('hex')).join('\n'),
} as const;
