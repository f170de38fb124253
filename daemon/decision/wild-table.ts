// Components with `*` or `?` below one node. `name*` and `*name` are found by their length, so that many of them cost
// no more than the lengths in use; other shapes are tried one by one.
import { matchComponent } from './component.ts';
import type { Shape } from './component.ts';

export class WildTable<Node> {
  readonly #prefixes = new Map<number, Map<string, Node>>();
  readonly #suffixes = new Map<number, Map<string, Node>>();
  readonly #patterns = new Map<string, Node>();

  /** The node for this component, made by `make` when it is new. */
  grow(component: string, shape: Exclude<Shape, 'literal' | 'any'>, make: () => Node): Node {
    if (shape === 'prefix') return byLength(this.#prefixes, component.slice(0, -1), make);
    if (shape === 'suffix') return byLength(this.#suffixes, component.slice(1), make);
    return ensure(this.#patterns, component, make);
  }

  each(name: string, found: (node: Node) => void): void {
    for (const [length, map] of this.#prefixes) {
      const hit = length <= name.length ? map.get(name.slice(0, length)) : undefined;
      if (hit !== undefined) found(hit);
    }
    for (const [length, map] of this.#suffixes) {
      const hit = length <= name.length ? map.get(name.slice(name.length - length)) : undefined;
      if (hit !== undefined) found(hit);
    }
    for (const [pattern, hit] of this.#patterns) if (matchComponent(pattern, name)) found(hit);
  }
}

function ensure<Node>(map: Map<string, Node>, key: string, make: () => Node): Node {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

function byLength<Node>(lengths: Map<number, Map<string, Node>>, text: string, make: () => Node): Node {
  let map = lengths.get(text.length);
  if (!map) lengths.set(text.length, (map = new Map<string, Node>()));
  return ensure(map, text, make);
}
