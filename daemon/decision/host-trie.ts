// Host patterns as a trie over labels from the right: `api.example.com`, `*.example.com` (everything below
// example.com, not example.com itself), `*` (every name). The longest match comes first; cost grows with the labels
// of the name.
import { hashName, hashSeed, hashStep, none, NodeTable } from './node-table.ts';
import { PortTable } from './port-table.ts';
import type { SharedTables } from './shared-tables.ts';

const root = 0;
const dot = 46;

/** What rules say of a name, and of names below it. */
interface Pair {
  exact: PortTable | undefined;
  below: PortTable | undefined;
}

export class HostTrie {
  readonly #nodes = new NodeTable();
  /** By NodeTable.said. */
  readonly #pairs: Pair[] = [];
  /** By node, while the trie is built. */
  readonly #built = new Map<number, Pair>();

  constructor() {
    this.#nodes.add(0);
  }

  /** `pattern` is lower-case, without a trailing dot. Counts once it is filled, and `settle` was called. */
  table(pattern: string): PortTable {
    const labels = pattern.split('.').reverse();
    const below = labels.at(-1) === '*';
    if (below) labels.pop();
    const node = labels.reduce((at, label) => this.#child(at, label), root);
    let pair = this.#built.get(node);
    if (!pair) this.#built.set(node, (pair = { exact: undefined, below: undefined }));
    return below ? (pair.below ??= new PortTable()) : (pair.exact ??= new PortTable());
  }

  #child(node: number, label: string): number {
    const found = this.#nodes.literal(node, hashName(label), label, 0, label.length);
    return found === none ? this.#nodes.connect(node, label) : found;
  }

  /** Names of which the same is said share it, so that little is read over and over. */
  settle(shared: SharedTables): void {
    const known = new Map<string, number>();
    for (const [node, { exact, below }] of this.#built) {
      const pair = { exact: exact && shared.one(exact), below: below && shared.one(below) };
      const key = `${pair.exact ? shared.number(pair.exact) : ''} ${pair.below ? shared.number(pair.below) : ''}`;
      let number = known.get(key);
      if (number === undefined) known.set(key, (number = this.#pairs.push(pair) - 1));
      this.#nodes.setSaid(node, number);
    }
    this.#built.clear();
  }

  /** Tables that match, most specific first. */
  lookup(host: string): PortTable[] {
    const found: PortTable[] = [];
    let node = root;
    let end = host.length;
    while (end >= 0) {
      const below = this.#said(node)?.below;
      if (below) found.push(below);
      const start = labelStart(host, end);
      node = this.#nodes.literal(node, hashRange(host, start, end), host, start, end);
      if (node === none) return found.reverse();
      end = start - 1;
    }
    const exact = this.#said(node)?.exact;
    if (exact) found.push(exact);
    return found.reverse();
  }

  #said(node: number): Pair | undefined {
    const said = this.#nodes.said(node);
    return said === none ? undefined : this.#pairs[said];
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
