// What the policy room is given: texts with the names of the files they came from. It reads nothing itself.
import { CordonError } from '../model/mod.ts';
import type { BytePath, Mode } from '../model/mod.ts';
import type { ManagedSettings } from './managed.ts';

export interface ProfileSource {
  /** For people: where the text was read. */
  readonly file: string;
  readonly text: string;
  /** Shipped with Cordon: not to be edited, but to be extended. */
  readonly builtin?: boolean;
}

/** Profile name → its text. */
export type ProfileSources = ReadonlyMap<string, ProfileSource>;

export interface CompileContext {
  readonly home: BytePath;
  readonly workspace: BytePath;
  readonly tmp: BytePath;
  readonly user: string;
  readonly generation: number;
  /** Asked for on this run; undefined = the profile's. */
  readonly mode?: Mode;
  readonly managed?: ManagedSettings;
}

/** A place in a document. */
export interface Place {
  readonly file: string;
  readonly line: number;
  /** Key path such as `files[3].in[0]`; empty for the document. */
  readonly key: string;
}

export function invalid(place: Place, message: string, fix: string): CordonError {
  const at = place.key === '' ? '' : `${place.key}: `;
  return new CordonError('policy-invalid', `${place.file}:${place.line}: ${at}${message}`, {
    file: place.file,
    line: place.line,
    key: place.key,
    fix,
  });
}
