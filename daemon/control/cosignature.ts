// What a witness signed, checked against its key before it is kept: the uploader only carries it.
import type { SinkSettings } from '../model/mod.ts';
import { CordonError } from '../model/mod.ts';
import { formatSignature, openNote, parseVerifierKey } from '../proof/mod.ts';
import type { NoteVerifier } from '../proof/mod.ts';

/** Undefined for a sink without a witness. Throws CordonError('config-invalid'). */
export function witnessKeyOf(settings: SinkSettings): NoteVerifier | undefined {
  const key = settings.kind === 'file' ? undefined : settings.witness?.key;
  return key === undefined ? undefined : parseVerifierKey(key);
}

/** The witness's own line over this note; lines of others are left out. Throws CordonError('protocol'). */
export function checkedCosignature(note: string, lines: string, witness: NoteVerifier | undefined): string {
  if (witness === undefined) throw new CordonError('protocol', 'this sink has no witness');
  return openNote(note + lines, [witness])
    .verified.map(({ signature }) => formatSignature(signature))
    .join('');
}
