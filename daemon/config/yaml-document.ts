// A YAML mapping whose every complaint names file, line and key.
import { isAlias, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Document, YAMLMap } from 'yaml';
import { CordonError } from '../model/mod.ts';

export interface Entry {
  readonly key: string;
  readonly value: unknown;
  readonly line: number;
  /** The entries of the mapping that the value is; undefined when it is none. */
  readonly entries: () => Entry[] | undefined;
}

export const invalid = (file: string, line: number, key: string, what: string): CordonError =>
  new CordonError('config-invalid', `${file}:${line}: ${key === '' ? '' : `${key}: `}${what}`, {
    file,
    line,
    key,
    fix: `edit ${file}, then start cordond again`,
  });

/** The entries of the one mapping that `text` is; an empty document has none. Aliases are not followed. */
export function mappingOf(file: string, text: string): Entry[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [problem] = document.errors;
  if (problem !== undefined)
    throw invalid(file, problem.linePos?.[0].line ?? 1, '', problem.message.split('\n')[0] ?? problem.code);
  if (document.contents === null) return [];
  if (!isMap(document.contents)) throw invalid(file, 1, '', 'expected a mapping of settings');
  return entriesOf(file, document.contents, document, lines, '');
}

/** Keys of inner mappings are named from the top: `records.sinks.siem`. */
function entriesOf(
  file: string,
  map: YAMLMap,
  document: Document,
  lines: LineCounter,
  prefix: string,
): Entry[] {
  return map.items.map(({ key, value }) => {
    if (!isScalar(key) || typeof key.value !== 'string' || !key.range)
      throw invalid(file, lineOf(key, lines), prefix, 'a key is not text');
    const line = lines.linePos(key.range[0]).line;
    const name = key.value;
    const full = prefix === '' ? name : `${prefix}.${name}`;
    if (isAlias(value)) throw invalid(file, line, full, 'aliases are not used here');
    const plain = plainOf(value, document, () => invalid(file, line, full, 'aliases are not used here'));
    const entries = (): Entry[] | undefined =>
      isMap(value) ? entriesOf(file, value, document, lines, full) : undefined;
    return { key: name, value: plain, line, entries };
  });
}

const lineOf = (key: unknown, lines: LineCounter): number =>
  isNode(key) && key.range ? lines.linePos(key.range[0]).line : 1;

/** Throws what `aliased` gives when an alias is somewhere inside. */
function plainOf(value: unknown, document: Document, aliased: () => CordonError): unknown {
  try {
    return isNode(value) ? value.toJS(document, { maxAliasCount: 0 }) : value;
  } catch (error) {
    if (error instanceof ReferenceError) throw aliased();
    throw error;
  }
}
