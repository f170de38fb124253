// YAML text to plain values, with the line of every key. Only the JSON part of YAML is accepted: no aliases, anchors,
// tags, several documents, duplicate or non-text keys, so that a document means one thing and cannot grow when read.
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, ParsedNode, YAMLError } from 'yaml';
import { deepestNesting, lineTooDeep } from './nesting.ts';
import type { CordonError } from '../model/mod.ts';
import { invalid } from './source.ts';
import type { Place } from './source.ts';

/** Bytes of UTF-8. */
export const largestDocument = 1024 * 1024;

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
  const deep = lineTooDeep(text);
  if (deep !== undefined) throw tooDeep({ ...top, line: deep });
  // Unique keys are checked by our reader: the library's own check is quadratic.
  const options = { lineCounter: counter, uniqueKeys: false, schema: 'core', merge: false } as const;
  const document = parseDocument(text, options);
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem === undefined) return document;
  const { line } = counter.linePos(problem.pos[0]);
  // The composer recurses; stairs of blocks, a thousand high, end there.
  if (problem.code === 'RESOURCE_EXHAUSTION') throw tooDeep({ ...top, line });
  throw invalid({ ...top, line }, wordsOf(problem), 'write one plain YAML document');
}

const tooDeep = (place: Place): CordonError =>
  invalid(place, 'nested too deep', 'a profile nests four levels at most');

/** The library's message, without the place that it repeats, and without its advice to programmers. */
function wordsOf({ code, message }: YAMLError): string {
  if (code === 'MULTIPLE_DOCS') return 'the file has more than one YAML document';
  const [first = ''] = message.split('\n');
  return `not YAML: ${first.replace(/ at line \d+, column \d+:?$/, '')}`;
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
    if (depth > deepestNesting) throw tooDeep(place);
    if (node === null) return null;
    this.#refuseExtras(node, place);
    if (isMap<ParsedNode, ParsedNode | null>(node)) return this.#map(node.items, key, depth);
    if (isSeq<ParsedNode>(node))
      return node.items.map((item, i) => this.read(item, joinKey(key, i), depth + 1));
    return isScalar(node) ? this.#scalar(node.value, place) : undefined;
  }

  #scalar(value: unknown, place: Place): unknown {
    // Half a surrogate pair ("\ud800") would become another character on its way to bytes.
    if (typeof value === 'string' && !value.isWellFormed())
      throw invalid(place, 'the text is not Unicode: half a surrogate pair', 'write the character itself');
    return value;
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
    if (isScalar(key) && typeof key.value === 'string') return String(this.#scalar(key.value, place));
    throw invalid(place, 'a key must be text', 'quote it, or remove it');
  }

  #line(node: Node | null, key: string): number {
    const offset = node?.range?.[0];
    return offset === undefined ? lineOf(this.#lines, key) : this.#counter.linePos(offset).line;
  }
}
