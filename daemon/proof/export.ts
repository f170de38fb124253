// An exported stretch of a log as lines of JSON that prove themselves: a header, the entries, a signed checkpoint with
// what leads from the entries to its root. A stretch is either whole (every entry from one position to another; the
// roots of what is before and behind it are given) or chosen (each entry brings its own inclusion proof).
import { CordonError } from '../model/mod.ts';
import { holdsInclusion } from './check-proof.ts';
import { parseCheckpoint } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import { CompactRange, subtrees, subtreesBetween } from './compact-range.ts';
import { base64Of, chainHash, hashFromBase64, leafHash } from './hash.ts';
import type { Hash } from './hash.ts';
import { openNote } from './note.ts';
import type { NoteVerifier } from './note-key.ts';
import { parseVerifierKey } from './verifier-key.ts';

export const exportVersion = 1;

export interface ExportHeader {
  readonly origin: string;
  /** Position of the log's first entry: position minus base is the index of the leaf. */
  readonly base: number;
  /** Positions: the first, and the one behind the last. */
  readonly from: number;
  readonly to: number;
  readonly host: string;
  /** Verifier key of the log, C2SP signed-note. */
  readonly key: string;
  /** Whole stretches: roots of the subtrees before the first entry, largest first. Undefined: entries were chosen. */
  readonly left?: readonly Hash[];
  /** Whole stretches: the chain before the first entry. */
  readonly chain?: Hash;
}

export interface ExportedEntry {
  readonly position: number;
  /** Canonical text; undefined when pruned. */
  readonly event?: string;
  /** When there is no event. */
  readonly leaf?: Hash;
  readonly chain?: Hash;
  /** Chosen entries: inclusion proof to the checkpoint. */
  readonly proof?: readonly Hash[];
}

export interface ExportTrailer {
  /** Signed note. */
  readonly checkpoint: string;
  /** Whole stretches: roots of the subtrees behind the last entry, as `subtreesBetween` has them. */
  readonly right?: readonly Hash[];
}

const all = (hashes: readonly Hash[] | undefined): string[] | undefined => hashes?.map(base64Of);
const one = (hash: Hash | undefined): string | undefined => (hash === undefined ? undefined : base64Of(hash));

export const headerLine = ({ left, chain, ...rest }: ExportHeader): string =>
  JSON.stringify({ cordonExport: exportVersion, ...rest, left: all(left), chain: one(chain) });
export const entryLine = ({ position, event, leaf, chain, proof }: ExportedEntry): string =>
  JSON.stringify({ position, event, leaf: one(leaf), chain: one(chain), proof: all(proof) });
export const trailerLine = ({ checkpoint, right }: ExportTrailer): string =>
  JSON.stringify({ checkpoint, right: all(right) });

export interface ExportProblem {
  readonly kind: 'edit' | 'deletion' | 'insertion' | 'reordering' | 'truncation' | 'checkpoint';
  /** Position; undefined when it is about all of them. */
  readonly position: number | undefined;
  readonly detail: string;
}

export interface ExportResult {
  readonly ok: boolean;
  readonly header: ExportHeader;
  readonly entries: number;
  readonly pruned: number;
  /** The key was given, not taken from the file. */
  readonly trusted: boolean;
  readonly checkpoint: Checkpoint | undefined;
  /** Of witnesses given. */
  readonly cosignatures: number;
  readonly problems: readonly ExportProblem[];
}

export interface ExportTrust {
  /** Undefined: the one that the file names, which proves only that the file agrees with itself. */
  readonly key: NoteVerifier | undefined;
  readonly witnesses: readonly NoteVerifier[];
}

/** Problems beyond so many are not listed. */
const most = 1000;

/** Reads the lines once. Throws CordonError('protocol') for what is no export. */
export async function checkExport(
  lines: AsyncIterable<string> | Iterable<string>,
  { key, witnesses }: ExportTrust,
): Promise<ExportResult> {
  let check: StretchCheck | undefined;
  let trailer: ExportTrailer | undefined;
  let line = 0;
  for await (const text of lines) {
    line += 1;
    if (text === '') continue;
    const value = objectOf(text, line);
    if (check === undefined) check = new StretchCheck(headerOf(value));
    else if (trailer !== undefined) throw notExport(`line ${line} comes after the checkpoint`);
    else if (value['checkpoint'] !== undefined) trailer = trailerOf(value);
    else check.entry(entryOf(value, line));
  }
  if (check === undefined) throw notExport('it is empty');
  return check.result(trailer, key, witnesses);
}

class StretchCheck {
  readonly header: ExportHeader;
  readonly #range: CompactRange | undefined;
  readonly #chosen: { readonly index: number; readonly leaf: Hash; readonly proof: readonly Hash[] }[] = [];
  readonly #problems: ExportProblem[] = [];
  #chain: Hash | undefined;
  #next: number;
  #entries = 0;
  #pruned = 0;

  constructor(header: ExportHeader) {
    const { base, from, left, chain } = header;
    this.header = header;
    if (left !== undefined && left.length !== subtrees(from - base).length)
      throw notExport('the header has another number of roots than its position asks for');
    this.#range = left === undefined ? undefined : CompactRange.of(from - base, left);
    this.#chain = chain;
    this.#next = from;
  }

  entry({ position, event, leaf: given, chain, proof }: ExportedEntry): void {
    const leaf = event === undefined ? given : leafHash(event);
    if (leaf === undefined) throw notExport(`entry ${position} has neither event nor hash`);
    this.#entries += 1;
    if (event === undefined) this.#pruned += 1;
    this.#order(position);
    const broken = this.#chain !== undefined && chain !== undefined && chainHash(this.#chain, leaf) !== chain;
    if (broken && position === this.#next)
      this.#problem(
        'edit',
        position,
        'the chain does not go on to this entry: it or the one before was changed',
      );
    this.#chain = chain;
    this.#next = position + 1;
    if (this.#range !== undefined) this.#range.append(leaf);
    else this.#chosen.push({ index: position - this.header.base, leaf, proof: proof ?? [] });
  }

  result(
    trailer: ExportTrailer | undefined,
    key: NoteVerifier | undefined,
    witnesses: readonly NoteVerifier[],
  ): ExportResult {
    const { header } = this;
    if (trailer === undefined)
      this.#problem('truncation', this.#next, 'the file ends without its checkpoint');
    else if (header.left !== undefined && this.#next < header.to)
      this.#problem('truncation', this.#next, `entries up to ${header.to - 1} should be there`);
    const opened = trailer === undefined ? undefined : this.#open(trailer.checkpoint, key, witnesses);
    if (opened !== undefined && this.#problems.length === 0)
      this.#lead(opened.checkpoint, trailer?.right ?? []);
    return {
      ok: this.#problems.length === 0,
      header,
      entries: this.#entries,
      pruned: this.#pruned,
      trusted: key !== undefined,
      checkpoint: opened?.checkpoint,
      cosignatures: opened?.cosignatures ?? 0,
      problems: this.#problems,
    };
  }

  #order(position: number): void {
    if (position === this.#next || (this.#range === undefined && position > this.#next)) return;
    if (position > this.#next)
      this.#problem('deletion', this.#next, `entries ${this.#next} to ${position - 1} are missing`);
    else this.#problem('reordering', position, `entry ${position} comes after entry ${this.#next - 1}`);
  }

  /** From the entries to the root that was signed. */
  #lead({ size, root }: Checkpoint, right: readonly Hash[]): void {
    const behind = `the entries do not lead to the root that was signed: one of them was changed`;
    if (this.#range === undefined) {
      for (const { index, leaf, proof } of this.#chosen)
        if (!holdsInclusion({ leaf, index, size, root, proof }))
          this.#problem('edit', index + this.header.base, 'the entry is not in the log that was signed');
      return;
    }
    const rest = subtreesBetween(this.#range.size, size);
    if (rest.length !== right.length || this.#range.size > size) {
      this.#problem('checkpoint', undefined, 'the checkpoint is of another size than the entries lead to');
      return;
    }
    rest.forEach(({ height }, i) => this.#range?.append(right[i] ?? '', undefined, height));
    if (this.#range.root() !== root) this.#problem('checkpoint', undefined, behind);
  }

  #open(
    note: string,
    key: NoteVerifier | undefined,
    witnesses: readonly NoteVerifier[],
  ): { readonly checkpoint: Checkpoint; readonly cosignatures: number } | undefined {
    try {
      const own = key ?? parseVerifierKey(this.header.key);
      const { text, verified } = openNote(note, [own, ...witnesses]);
      const checkpoint = parseCheckpoint(text);
      if (!verified.some(({ verifier }) => verifier === own)) throw notExport('the log did not sign it');
      if (checkpoint.origin !== this.header.origin) throw notExport('it is of another log');
      return { checkpoint, cosignatures: verified.length - 1 };
    } catch (error) {
      this.#problem('checkpoint', undefined, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  #problem(kind: ExportProblem['kind'], position: number | undefined, detail: string): void {
    if (this.#problems.length < most) this.#problems.push({ kind, position, detail });
  }
}

type Value = Readonly<Record<string, unknown>>;

function objectOf(text: string, line: number): Value {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Value;
  } catch {
    // Told below.
  }
  throw notExport(`line ${line} is no JSON object`);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const text = (value: unknown, name: string): string => {
  if (typeof value === 'string') return value;
  throw notExport(`${name} is missing`);
};

function hashOf(value: unknown): Hash | undefined {
  if (value === undefined) return undefined;
  const hash = typeof value === 'string' ? hashFromBase64(value) : undefined;
  if (hash === undefined) throw notExport('a hash is not the base64 of 32 bytes');
  return hash;
}

/** A proof has at most one hash for each of 53 levels. */
function hashesOf(value: unknown): Hash[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length > 128) throw notExport('a list of hashes is none, or too long');
  return value.map((each) => hashOf(each) ?? '');
}

const optional = <K extends string, T>(key: K, value: T | undefined): { readonly [k in K]?: T } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [k in K]?: T };

function headerOf(value: Value): ExportHeader {
  if (value['cordonExport'] !== exportVersion)
    throw notExport('the first line is not the header of an export');
  const { base, from, to } = value;
  if (!isCount(base) || !isCount(from) || !isCount(to) || from < base || to < from)
    throw notExport('the header’s positions are none');
  return {
    origin: text(value['origin'], 'origin'),
    base,
    from,
    to,
    host: text(value['host'], 'host'),
    key: text(value['key'], 'key'),
    ...optional('left', hashesOf(value['left'])),
    ...optional('chain', hashOf(value['chain'])),
  };
}

function entryOf(value: Value, line: number): ExportedEntry {
  const { position, event } = value;
  if (!isCount(position)) throw notExport(`line ${line} has no position`);
  return {
    position,
    ...optional('event', event === undefined ? undefined : text(event, 'event')),
    ...optional('leaf', hashOf(value['leaf'])),
    ...optional('chain', hashOf(value['chain'])),
    ...optional('proof', hashesOf(value['proof'])),
  };
}

const trailerOf = (value: Value): ExportTrailer => ({
  checkpoint: text(value['checkpoint'], 'checkpoint'),
  ...optional('right', hashesOf(value['right'])),
});

const notExport = (why: string): CordonError =>
  new CordonError('protocol', `this is no sound export of a log: ${why}`, {
    fix: 'give a file that cordon audit export wrote',
  });
