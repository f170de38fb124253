// Verifier keys as text (C2SP signed-note): `name+id+key`, with the kind of signature in the key's first byte.
import { cosignatureVerifier } from './cosignature.ts';
import { malformedKey, noteVerifier, signatureType } from './note-key.ts';
import type { NoteVerifier } from './note-key.ts';

/** Strict. Throws CordonError('config-invalid'). */
export function parseVerifierKey(text: string): NoteVerifier {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u.exec(text);
  if (match === null) throw malformedKey('expected NAME+HEX+BASE64');
  const [, name = '', id = '', base64 = ''] = match;
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) throw malformedKey('the last part is not base64');
  const verifier = verifierOf(name, bytes[0] ?? 0, bytes.subarray(1));
  if (verifier.id !== Number.parseInt(id, 16))
    throw malformedKey('the id does not belong to this name and key');
  return verifier;
}

function verifierOf(name: string, type: number, publicKey: Uint8Array): NoteVerifier {
  if (type === signatureType.ed25519) return noteVerifier(name, publicKey);
  if (type === signatureType.cosignature) return cosignatureVerifier(name, publicKey);
  throw malformedKey(`signatures of type ${type} are not known here`);
}
