// Host patterns as a trie over labels from the right: `api.example.com`, `*.example.com` (everything below
// example.com, not example.com itself), `*` (every name). The longest match comes first; cost grows with the labels
// of the name.
import { hashName, hashSeed, hashStep, none, NodeTable } from './node-table.ts';
import { PortTable } from './port-table.ts';

const root = 0;
const dot = 46;

export class HostTrie {
  readonly #nodes = new NodeTable();
  /** By NodeTable.said: the rules for exactly this name; by NodeTable.any: those for names below it. */
  readonly #tables: PortTable[] = [];

  constructor() {
    this.#nodes.add(0, 0);
  }

  /** `pattern` is lower-case, without a trailing dot. */
  table(pattern: string): PortTable {
    const labels = pattern.split('.').reverse();
    const below = labels.at(-1) === '*';
    if (below) labels.pop();
    const node = labels.reduce((at, label) => this.#child(at, label), root);
    const known = below ? this.#nodes.any(node) : this.#nodes.said(node);
    if (known !== none) return this.#tables[known]!;
    const index = this.#tables.push(new PortTable()) - 1;
    if (below) this.#nodes.setAny(node, index);
    else this.#nodes.setSaid(node, index);
    return this.#tables[index]!;
  }

  #child(node: number, label: string): number {
    const found = this.#nodes.literal(node, hashName(label), label, 0, label.length);
    if (found !== none) return found;
    const child = this.#nodes.add(0, 0);
    this.#nodes.connect(node, label, child);
    return child;
  }

  /** Tables that match, most specific first. */
  lookup(host: string): PortTable[] {
    const found: PortTable[] = [];
    let node = root;
    let end = host.length;
    while (end >= 0) {
      const below = this.#nodes.any(node);
      if (below !== none) found.unshift(this.#tables[below]!);
      const start = labelStart(host, end);
      node = this.#nodes.literal(node, hashRange(host, start, end), host, start, end);
      if (node === none) return found;
      end = start - 1;
    }
    const exact = this.#nodes.said(node);
    if (exact !== none) found.unshift(this.#tables[exact]!);
    return found;
  }
}

function labelStart(host: string, end: number): number {
  let start = end;
  while (start > 0 && host.charCodeAt(start - 1) !== dot) start--;
  return start;
}

function hashRange(host: string, start: number, end: number): number {
  let hash = hashSeed;
  for (let i = start; i < end; i++) hash = hashStep(hash, host.charCodeAt(i));
  return hash;
}
