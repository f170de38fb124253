// YAML text to plain values, with the line of every key. Only the JSON part of YAML is accepted: no aliases, anchors,
// tags, several documents, duplicate or non-text keys, so that a document means one thing and cannot grow when read.
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, ParsedNode } from 'yaml';
import { invalid } from './source.ts';
import type { Place } from './source.ts';

/** Bytes of UTF-8. */
export const largestDocument = 1024 * 1024;
const deepestNesting = 16;

export interface LocatedDocument {
  readonly file: string;
  readonly value: unknown;
  /** The place of a key path; of one that is not there, of the nearest one above it. */
  place(key: string): Place;
}

export function readDocument(file: string, text: string): LocatedDocument {
  const top: Place = { file, line: 1, key: '' };
  if (Buffer.byteLength(text, 'utf8') > largestDocument) {
    throw invalid(top, 'the file is larger than 1 MiB', 'split it into profiles that extend one another');
  }
  const counter = new LineCounter();
  const document = parse(text, counter, top);
  const lines = new Map<string, number>([['', 1]]);
  const reader = new Reader(file, counter, lines);
  const value = document.contents ? reader.read(document.contents, '', 0) : undefined;
  const place = (key: string): Place => ({ file, line: lineOf(lines, key), key });
  return { file, value, place };
}

function parse(text: string, counter: LineCounter, top: Place): Document.Parsed {
  const refuse = (message: string, line: number): never => {
    throw invalid({ ...top, line }, message, 'write one plain YAML document');
  };
  let document: Document.Parsed;
  try {
    // Unique keys are checked by our reader: the library's own check is quadratic.
    document = parseDocument(text, { lineCounter: counter, uniqueKeys: false, schema: 'core', merge: false });
  } catch (cause) {
    // The composer recurses: a document nested a hundred thousand deep ends here.
    return refuse(`not readable as YAML: ${cause instanceof Error ? cause.message : String(cause)}`, 1);
  }
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem) refuse(problem.message.split('\n')[0] ?? 'not YAML', counter.linePos(problem.pos[0]).line);
  return document;
}

/** `files[3].in[0]` → `files[3].in` → `files[3]` → … → `` */
function lineOf(lines: ReadonlyMap<string, number>, key: string): number {
  for (let at = key; ; at = at.slice(0, Math.max(at.lastIndexOf('.'), at.lastIndexOf('['), 0))) {
    const line = lines.get(at);
    if (line !== undefined) return line;
    if (at === '') return 1;
  }
}

export const joinKey = (parent: string, key: string | number): string =>
  typeof key === 'number' ? `${parent}[${key}]` : parent === '' ? key : `${parent}.${key}`;

class Reader {
  readonly #file: string;
  readonly #counter: LineCounter;
  readonly #lines: Map<string, number>;
  constructor(file: string, counter: LineCounter, lines: Map<string, number>) {
    this.#file = file;
    this.#counter = counter;
    this.#lines = lines;
  }

  read(node: ParsedNode | null, key: string, depth: number): unknown {
    const place = { file: this.#file, line: this.#line(node, key), key };
    if (key !== '' && !this.#lines.has(key)) this.#lines.set(key, place.line);
    if (depth > deepestNesting)
      throw invalid(place, 'nested too deep', 'a profile nests four levels at most');
    if (node === null) return null;
    this.#refuseExtras(node, place);
    if (isMap<ParsedNode, ParsedNode | null>(node)) return this.#map(node.items, key, depth);
    if (isSeq<ParsedNode>(node))
      return node.items.map((item, i) => this.read(item, joinKey(key, i), depth + 1));
    return isScalar(node) ? node.value : undefined;
  }

  #refuseExtras(node: Node, place: Place): void {
    if (isAlias(node)) throw invalid(place, 'aliases (*name) are not accepted', 'write the value out');
    if ((node as { anchor?: string }).anchor !== undefined) {
      throw invalid(place, 'anchors (&name) are not accepted', 'write the value where it is used');
    }
    if (node.tag !== undefined) throw invalid(place, 'tags (!name) are not accepted', 'write a plain value');
  }

  #map(
    items: readonly { key: ParsedNode; value: ParsedNode | null }[],
    parent: string,
    depth: number,
  ): object {
    const out = {};
    const seen = new Set<string>();
    for (const { key, value } of items) {
      const name = this.#name(key, parent);
      const path = joinKey(parent, name);
      const place = { file: this.#file, line: this.#line(key, parent), key: path };
      if (seen.has(name)) throw invalid(place, 'the key is written twice', 'keep one of the two');
      seen.add(name);
      this.#lines.set(path, place.line);
      // Not by assignment: `__proto__` is a name like any other.
      const plain = this.read(value, path, depth + 1);
      Object.defineProperty(out, name, {
        value: plain,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return out;
  }

  #name(key: ParsedNode, parent: string): string {
    const place = { file: this.#file, line: this.#line(key, parent), key: parent };
    this.#refuseExtras(key, place);
    if (isScalar(key) && typeof key.value === 'string') return key.value;
    throw invalid(place, 'a key must be text', 'quote it, or remove it');
  }

  #line(node: Node | null, key: string): number {
    const offset = node?.range?.[0];
    return offset === undefined ? lineOf(this.#lines, key) : this.#counter.linePos(offset).line;
  }
}
