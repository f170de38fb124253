// Host patterns as a trie over labels from the right: `api.example.com`, `*.example.com` (everything below
// example.com, not example.com itself), `*` (every name). The longest match comes first; cost grows with the labels
// of the name.
import { PortTable } from './port-table.ts';

interface Node {
  readonly children: Map<string, Node>;
  exact: PortTable | undefined;
  below: PortTable | undefined;
}

const node = (): Node => ({ children: new Map(), exact: undefined, below: undefined });

export class HostTrie {
  readonly #root = node();

  /** `pattern` is lower-case, without a trailing dot. */
  table(pattern: string): PortTable {
    const labels = pattern.split('.').reverse();
    const below = labels.at(-1) === '*';
    if (below) labels.pop();
    let at = this.#root;
    for (const label of labels) {
      let next = at.children.get(label);
      if (!next) at.children.set(label, (next = node()));
      at = next;
    }
    return below ? (at.below ??= new PortTable()) : (at.exact ??= new PortTable());
  }

  /** Tables that match, most specific first. */
  lookup(host: string): PortTable[] {
    const found: PortTable[] = [];
    let at: Node | undefined = this.#root;
    let end = host.length;
    while (end >= 0) {
      if (at.below) found.unshift(at.below);
      const dot = host.lastIndexOf('.', end - 1);
      at = at.children.get(host.slice(dot + 1, end));
      if (!at) return found;
      if (dot < 0) break;
      end = dot;
    }
    if (at.exact) found.unshift(at.exact);
    return found;
  }
}
