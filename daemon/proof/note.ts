// Signed notes (C2SP signed-note): text that ends in a newline, an empty line, and a line for each signature. Strict
// both ways: what is not the one form of a note is refused before any signature is looked at.
import { CordonError } from '../model/mod.ts';
import { signatureSize } from './ed25519.ts';
import { isKeyName, keyId, signatureType } from './note-key.ts';
import type { NoteVerifier } from './note-key.ts';

/** Bytes. */
export const maxNoteSize = 64 * 1024;
const maxSignatures = 64;

export interface NoteSignature {
  readonly name: string;
  readonly id: number;
  /** Behind the key id. */
  readonly bytes: Uint8Array;
}

export interface Note {
  /** With its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const malformed = (why: string): CordonError => new CordonError('protocol', `not a signed note: ${why}`);

function textOf(note: string | Uint8Array): string {
  if (note.length > maxNoteSize) throw malformed(`it is longer than ${maxNoteSize} bytes`);
  if (typeof note === 'string') {
    if (note.isWellFormed()) return note;
    throw malformed('it is not UTF-8');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(note);
  } catch {
    throw malformed('it is not UTF-8');
  }
}

/** One signature line without its newline. Undefined when it is none. */
function signatureOf(line: string): NoteSignature | undefined {
  const match = /^— ([^ ]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line);
  const [, name = '', base64 = ''] = match ?? [];
  const bytes = Buffer.from(base64, 'base64');
  if (match === null || !isKeyName(name) || bytes.toString('base64') !== base64 || bytes.length < 5)
    return undefined;
  return { name, id: bytes.readUInt32BE(0), bytes: Uint8Array.from(bytes.subarray(4)) };
}

/** Signature lines, each ending in a newline, at least one. Throws CordonError('protocol'). */
export function parseSignatures(text: string): NoteSignature[] {
  if (!text.endsWith('\n')) throw malformed('the last line does not end');
  const lines = text.slice(0, -1).split('\n');
  if (lines.length > maxSignatures) throw malformed(`more than ${maxSignatures} signatures`);
  return lines.map((line) => {
    const signature = signatureOf(line);
    if (signature === undefined) throw malformed('a line that is no signature');
    return signature;
  });
}

/** The form only; nothing is verified. Throws CordonError('protocol'). */
export function parseNote(note: string | Uint8Array): Note {
  const whole = textOf(note);
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) throw malformed('it has control characters');
  const end = whole.lastIndexOf('\n\n');
  if (end < 0) throw malformed('there is no empty line before the signatures');
  return { text: whole.slice(0, end + 1), signatures: parseSignatures(whole.slice(end + 2)) };
}

export interface OpenedNote {
  readonly text: string;
  /** Of known keys, each verified, each key once. */
  readonly verified: readonly { readonly verifier: NoteVerifier; readonly signature: NoteSignature }[];
}

/** Throws CordonError('protocol') when no known key signed it, or a known key's signature is false. */
export function openNote(note: string | Uint8Array, verifiers: readonly NoteVerifier[]): OpenedNote {
  const { text, signatures } = parseNote(note);
  const message = Buffer.from(text);
  const verified = new Map<NoteVerifier, NoteSignature>();
  for (const signature of signatures) {
    const verifier = verifiers.find(({ name, id }) => name === signature.name && id === signature.id);
    if (verifier === undefined || verified.has(verifier)) continue;
    if (!verifier.holds(message, signature.bytes))
      throw new CordonError('protocol', `the signature of ${verifier.name} is false`);
    verified.set(verifier, signature);
  }
  if (verified.size === 0) throw new CordonError('protocol', 'no key that is trusted here signed this note');
  return { text, verified: [...verified].map(([verifier, signature]) => ({ verifier, signature })) };
}

export function formatSignature({ name, id, bytes }: NoteSignature): string {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(id);
  return `— ${name} ${Buffer.concat([head, bytes]).toString('base64')}\n`;
}

/** What makes Ed25519 signatures; where the key is, is its own affair. */
export interface NoteSigner {
  readonly name: string;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** Throws TypeError when `text` cannot be that of a note. */
export function signNote(text: string, { name, publicKey, sign }: NoteSigner): string {
  if (!text.endsWith('\n') || !isKeyName(name)) throw new TypeError('not the text of a note, or no key name');
  const bytes = sign(Buffer.from(text));
  if (bytes.length !== signatureSize) throw new TypeError('the signer made no Ed25519 signature');
  const note = `${text}\n${formatSignature({ name, id: keyId(name, signatureType.ed25519, publicKey), bytes })}`;
  if (parseNote(note).text !== text) throw new TypeError('the text of a note cannot be told from its end');
  return note;
}
