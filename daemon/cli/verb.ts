// What a verb is, and what it is given to work with.
import type { Colours } from './text/colour.ts';
import type { Daemon } from './daemon.ts';

export interface VerbOption {
  /** As commander reads it: `--session <id>`. */
  readonly flags: string;
  readonly summary: string;
}

export interface VerbContext {
  readonly daemon: Daemon;
  /** Positional arguments, in the order of the verb's `operands`; optional ones may be missing. */
  readonly operands: readonly string[];
  /** Options by long name, without dashes. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  readonly json: boolean;
  readonly colours: Colours;
  /** Unix time in milliseconds. */
  readonly now: number;
  /** Lines for people, or one line of JSON. */
  readonly out: (...lines: readonly string[]) => void;
}

/** Resolves with the exit status. */
export type VerbAction = (context: VerbContext) => Promise<number>;

export interface Verb {
  /** One word, or two: `policy check`. */
  readonly name: string;
  readonly summary: string;
  /** As commander reads them: `<id>` needed, `[session]` not. */
  readonly operands: readonly string[];
  readonly options: readonly VerbOption[];
  /** Loads the code only when the verb is used. */
  readonly load: () => Promise<VerbAction>;
}

export const textOption = (context: VerbContext, name: string): string | undefined => {
  const value = context.options[name];
  return typeof value === 'string' ? value : undefined;
};

export const isSet = (context: VerbContext, name: string): boolean => context.options[name] === true;
