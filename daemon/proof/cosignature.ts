// Cosignatures (C2SP tlog-cosignature, Ed25519): a witness states that at this time the largest tree it saw of the log,
// consistent with all before, has this size and root. On a checkpoint they are signature lines of a note.
import { holdsSignature, publicKeyOf, signatureSize } from './ed25519.ts';
import { keyId, noteVerifier, signatureType } from './note-key.ts';
import type { NoteVerifier } from './note-key.ts';
import { formatSignature } from './note.ts';
import type { NoteSigner } from './note.ts';

const timeSize = 8;

const message = (seconds: number, text: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`cosignature/v1\ntime ${seconds}\n`), text]);

/** Unix seconds. Undefined when the bytes are no cosignature or the time is out of range. */
export function cosignatureTime(bytes: Uint8Array): number | undefined {
  if (bytes.length !== timeSize + signatureSize) return undefined;
  const seconds = Number(Buffer.from(bytes).readBigUInt64BE(0));
  return Number.isSafeInteger(seconds) && seconds > 0 ? seconds : undefined;
}

export function cosignatureVerifier(name: string, publicKey: Uint8Array): NoteVerifier {
  const plain = noteVerifier(name, publicKey);
  const key = publicKeyOf(publicKey);
  const type = signatureType.cosignature;
  const holds = (text: Uint8Array, bytes: Uint8Array): boolean => {
    const seconds = cosignatureTime(bytes);
    return seconds !== undefined && holdsSignature(key, message(seconds, text), bytes.subarray(timeSize));
  };
  return { ...plain, type, id: keyId(name, type, publicKey), holds };
}

/** A signature line for the checkpoint with this text. `seconds`: unix time. */
export function cosign(text: string, seconds: number, { name, publicKey, sign }: NoteSigner): string {
  const bytes = Buffer.alloc(timeSize + signatureSize);
  bytes.writeBigUInt64BE(BigInt(seconds));
  bytes.set(sign(message(seconds, Buffer.from(text))), timeSize);
  return formatSignature({ name, id: keyId(name, signatureType.cosignature, publicKey), bytes });
}
