// cordond's own secrets at rest: a sealed document, and beside it in the clear the key that the record is signed with.
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
