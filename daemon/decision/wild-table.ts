// Components with `*` or `?` below one node. The first few are tried one by one, where the component stands in the path;
// of more, `name*` and `*name` are found by their length, so that many of them cost no more than the lengths in use.
import { matchComponent } from './component.ts';
import type { Shape } from './component.ts';

type Wild = Exclude<Shape, 'literal' | 'any'>;

interface Pattern<Node> {
  readonly shape: Wild;
  readonly component: string;
  /** Without the `*` of a prefix or suffix. */
  readonly text: string;
  readonly node: Node;
}

const few = 8;

export class WildTable<Node> {
  readonly #first: Pattern<Node>[] = [];
  readonly #prefixes = new Map<number, Map<string, Node>>();
  readonly #suffixes = new Map<number, Map<string, Node>>();
  readonly #patterns = new Map<string, Node>();
  #more = false;

  /** The node for this component, made by `make` when it is new. */
  grow(component: string, shape: Wild, make: () => Node): Node {
    const known = this.#first.find((pattern) => pattern.component === component);
    if (known) return known.node;
    const text = textOf(component, shape);
    if (this.#first.length < few) {
      const node = make();
      this.#first.push({ shape, component, text, node });
      return node;
    }
    this.#more = true;
    if (shape === 'pattern') return ensure(this.#patterns, component, make);
    return byLength(shape === 'prefix' ? this.#prefixes : this.#suffixes, text, make);
  }

  /** Of the component `path[start, end)`. */
  each(path: string, start: number, end: number, found: (node: Node) => void): void {
    for (const pattern of this.#first) if (fits(pattern, path, start, end)) found(pattern.node);
    if (this.#more) this.#eachOfMore(path.slice(start, end), found);
  }

  #eachOfMore(name: string, found: (node: Node) => void): void {
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

function textOf(component: string, shape: Wild): string {
  if (shape === 'pattern') return component;
  return shape === 'prefix' ? component.slice(0, -1) : component.slice(1);
}

function fits<Node>({ shape, text }: Pattern<Node>, path: string, start: number, end: number): boolean {
  if (shape === 'pattern') return matchComponent(text, path.slice(start, end));
  const from = shape === 'prefix' ? start : end - text.length;
  return text.length <= end - start && isAt(text, path, from);
}

function isAt(text: string, path: string, from: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== path.charCodeAt(from + i)) return false;
  return true;
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
