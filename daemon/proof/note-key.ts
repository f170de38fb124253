// Keys of signed notes (C2SP signed-note): a name, and an id that binds name, kind of signature and key.
import { hash } from 'node:crypto';
import { CordonError } from '../model/mod.ts';
import { holdsSignature, publicKeyOf, publicKeySize } from './ed25519.ts';

/** First byte of a key: which kind of signature it makes. */
export const signatureType = { ed25519: 0x01, cosignature: 0x04 } as const;
export type SignatureType = (typeof signatureType)[keyof typeof signatureType];

/** Neither empty, nor with any Unicode space or plus; well formed. */
export const isKeyName = (name: string): boolean =>
  name !== '' && name.isWellFormed() && !/[\p{White_Space}\p{Cc}+]/u.test(name);

export interface NoteVerifier {
  readonly name: string;
  /** First four bytes of SHA-256(name, newline, type, key), big endian. */
  readonly id: number;
  readonly type: SignatureType;
  readonly publicKey: Uint8Array;
  /** `signature`: the bytes behind the key id. */
  readonly holds: (message: Uint8Array, signature: Uint8Array) => boolean;
}

export function keyId(name: string, type: SignatureType, publicKey: Uint8Array): number {
  const bytes = Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), publicKey]);
  return hash('sha256', bytes, 'buffer').readUInt32BE(0);
}

/** Of plain Ed25519 signatures. Throws CordonError('config-invalid'). */
export function noteVerifier(name: string, publicKey: Uint8Array): NoteVerifier {
  const type = signatureType.ed25519;
  if (!isKeyName(name)) throw malformedKey('the name is empty or has spaces or plus signs');
  if (publicKey.length !== publicKeySize) throw malformedKey('an Ed25519 key has 32 bytes');
  const key = publicKeyOf(publicKey);
  const id = keyId(name, type, publicKey);
  return { name, id, type, publicKey, holds: (message, bytes) => holdsSignature(key, message, bytes) };
}

/** `name+id+key`, as other tools for signed notes take it. */
export function formatVerifierKey({ name, id, type, publicKey }: Omit<NoteVerifier, 'holds'>): string {
  const key = Buffer.concat([Buffer.from([type]), publicKey]).toString('base64');
  return `${name}+${id.toString(16).padStart(8, '0')}+${key}`;
}

export const malformedKey = (why: string): CordonError =>
  new CordonError('config-invalid', `not a verifier key: ${why}`, {
    fix: 'the form is that of C2SP signed-note: example.com/name+530d903a+AekyeRrm56hA…',
  });
