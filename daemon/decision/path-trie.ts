// Path rules as one trie over components. A decision walks the components of the name once; its cost grows with the
// depth of the name and the number of `**` branches that are alive, not with the number of rules.
//
// Which rule wins, for one kind of access:
//   1. a `never` rule that matches, however general;
//   2. else the best matching protective rule, when it denies or asks (its allow only lifts the protection);
//   3. else the best matching ordinary rule; 4. else nothing (the caller's default deny).
// "Best" is the greatest (depth, literals, wilds):
//   depth    = how many components of the name the pattern accounts for, up to its last component other than `**`;
//              `**` may match in several ways, the deepest counts;
//   literals = literal components in the pattern; wilds = components with `*` or `?`.
// Of equal ones the stricter (deny, ask, allow), of equally strict ones the rule written first is named.
// Every rule covers what it names and everything below.
import type { NameException } from '../model/mod.ts';
import { stricter } from './judgement.ts';
import type { Judgement } from './judgement.ts';
import { matchComponent, shapeOf } from './component.ts';

/** never > protective > ordinary. */
export type Precedence = 'never' | 'protective' | 'ordinary';

export interface PathRule {
  readonly base: string;
  readonly glob: string;
  /** Slots this rule speaks for: the access kinds, numbered by the owner of the trie. */
  readonly slots: readonly number[];
  readonly precedence: Precedence;
  /** One for every slot. */
  readonly judgements: readonly Judgement[];
}

class Node {
  literal: Map<string, Node> | undefined;
  any: Node | undefined;
  prefixes: Map<number, Map<string, Node>> | undefined;
  suffixes: Map<number, Map<string, Node>> | undefined;
  patterns: Map<string, Node> | undefined;
  /** The node after `**`: stays alive for every further component. */
  deep: Node | undefined;
  readonly loops: boolean;
  /** literals × 4096 + wilds: below the depth in a score. */
  readonly rank: number;
  readonly never: (Judgement | undefined)[] = [];
  readonly protective: (Judgement | undefined)[] = [];
  readonly ordinary: (Judgement | undefined)[] = [];
  /** Per slot: final components of rules one below that do not simply allow. */
  exceptions: Map<string, NameException>[] | undefined;
  /** The step at which this node was last entered: a `**` node can be reached twice in one step. */
  stamp = 0;
  constructor(rank: number, loops: boolean) {
    this.rank = rank;
    this.loops = loops;
  }
}

const literalRank = 4096;
const depthRank = literalRank * literalRank;

function grow<K>(map: Map<K, Node>, key: K, rank: number): Node {
  let node = map.get(key);
  if (!node) map.set(key, (node = new Node(rank, false)));
  return node;
}

function growByLength(byLength: Map<number, Map<string, Node>>, text: string, rank: number): Node {
  let map = byLength.get(text.length);
  if (!map) byLength.set(text.length, (map = new Map()));
  return grow(map, text, rank);
}

function child(node: Node, component: string): Node {
  if (component === '**') return node.loops ? node : (node.deep ??= new Node(node.rank, true));
  const shape = shapeOf(component);
  const rank = node.rank + (shape === 'literal' ? literalRank : 1);
  switch (shape) {
    case 'literal':
      return grow((node.literal ??= new Map()), component, rank);
    case 'any':
      return (node.any ??= new Node(rank, false));
    case 'prefix':
      return growByLength((node.prefixes ??= new Map()), component.slice(0, -1), rank);
    case 'suffix':
      return growByLength((node.suffixes ??= new Map()), component.slice(1), rank);
    case 'pattern':
      return grow((node.patterns ??= new Map()), component, rank);
  }
}

/** Components of a rule; a trailing `**` says nothing that covering what is below does not say already. */
export function componentsOf(rule: { readonly base: string; readonly glob: string }): string[] {
  const parts = `${rule.base}/${rule.glob}`.split('/').filter((part) => part !== '');
  while (parts.at(-1) === '**') parts.pop();
  return parts;
}

export class PathTrie {
  readonly #root = new Node(0, false);
  readonly #slots: number;
  #alive: Node[] = [];
  #next: Node[] = [];
  #step = 0;
  #slot = 0;
  #never: Judgement | undefined;
  #neverScore = -1;
  #protective: Judgement | undefined;
  #protectiveScore = -1;
  #ordinary: Judgement | undefined;
  #ordinaryScore = -1;

  constructor(slots: number, rules: readonly PathRule[]) {
    this.#slots = slots;
    for (const rule of rules) this.#insert(rule);
  }

  #insert(rule: PathRule): void {
    const parts = componentsOf(rule);
    let node = this.#root;
    let parent: Node | undefined;
    for (const part of parts) {
      parent = node;
      node = child(node, part);
    }
    for (const [i, slot] of rule.slots.entries()) {
      const judgement = rule.judgements[i]!;
      node[rule.precedence][slot] = stricter(node[rule.precedence][slot], judgement);
      const plain = judgement.severity === 0 && judgement.verdict.obligations.length === 0;
      if (parent && (!plain || rule.precedence === 'never')) this.#except(parent, slot, parts.at(-1)!);
    }
  }

  #except(parent: Node, slot: number, name: string): void {
    parent.exceptions ??= Array.from({ length: this.#slots }, () => new Map<string, NameException>());
    parent.exceptions[slot]!.set(name, { name, wildcard: shapeOf(name) !== 'literal' });
  }

  /** undefined: no rule speaks. The path is absolute and normalised; of one with `.` or `..` no rule speaks. */
  judge(path: string, slot: number): Judgement | undefined {
    this.#walk(path, slot);
    return this.#pick();
  }

  /**
   * The judgement of a child with a name that no rule mentions, and every name that some rule does mention with
   * something other than a plain allow.
   */
  children(directory: string, slot: number): { judgement: Judgement | undefined; exceptions: NameException[] } {
    const depth = this.#walk(directory, slot);
    const exceptions = new Map<string, NameException>();
    for (const node of this.#alive) {
      for (const [name, exception] of node.exceptions?.[slot] ?? []) exceptions.set(name, exception);
    }
    for (const node of this.#alive) if (node.any) this.#consider(node.any, depth + 1);
    return { judgement: this.#pick(), exceptions: [...exceptions.values()] };
  }

  #walk(path: string, slot: number): number {
    this.#slot = slot;
    this.#neverScore = this.#protectiveScore = this.#ordinaryScore = -1;
    this.#never = this.#protective = this.#ordinary = undefined;
    this.#alive.length = 0;
    this.#step++;
    this.#enter(this.#root, 0, this.#alive);
    let depth = 0;
    let start = 1;
    while (start < path.length && this.#alive.length > 0) {
      let end = path.indexOf('/', start);
      if (end < 0) end = path.length;
      if (end > start) {
        const name = path.slice(start, end);
        if (name === '.' || name === '..') return this.#forget();
        this.#advance(name, ++depth);
      }
      start = end + 1;
    }
    return depth;
  }

  #forget(): number {
    this.#never = this.#protective = this.#ordinary = undefined;
    this.#alive.length = 0;
    return 0;
  }

  #advance(name: string, depth: number): void {
    const next = this.#next;
    next.length = 0;
    this.#step++;
    for (const node of this.#alive) {
      const exact = node.literal?.get(name);
      if (exact) this.#enter(exact, depth, next);
      if (node.any) this.#enter(node.any, depth, next);
      if (node.prefixes || node.suffixes || node.patterns) this.#wild(node, name, depth, next);
      if (node.loops) this.#enter(node, depth, next);
    }
    this.#next = this.#alive;
    this.#alive = next;
  }

  #wild(node: Node, name: string, depth: number, next: Node[]): void {
    for (const [length, map] of node.prefixes ?? []) {
      const hit = length <= name.length ? map.get(name.slice(0, length)) : undefined;
      if (hit) this.#enter(hit, depth, next);
    }
    for (const [length, map] of node.suffixes ?? []) {
      const hit = length <= name.length ? map.get(name.slice(name.length - length)) : undefined;
      if (hit) this.#enter(hit, depth, next);
    }
    for (const [pattern, hit] of node.patterns ?? []) {
      if (matchComponent(pattern, name)) this.#enter(hit, depth, next);
    }
  }

  #enter(node: Node, depth: number, next: Node[]): void {
    if (node.stamp === this.#step) return;
    node.stamp = this.#step;
    next.push(node);
    if (!node.loops) this.#consider(node, depth);
    if (node.deep) this.#enter(node.deep, depth, next);
  }

  #consider(node: Node, depth: number): void {
    const score = depth * depthRank + node.rank;
    const never = node.never[this.#slot];
    if (never && score >= this.#neverScore) {
      this.#never = score > this.#neverScore ? never : stricter(this.#never, never);
      this.#neverScore = score;
    }
    const protective = node.protective[this.#slot];
    if (protective && score >= this.#protectiveScore) {
      this.#protective = score > this.#protectiveScore ? protective : stricter(this.#protective, protective);
      this.#protectiveScore = score;
    }
    const ordinary = node.ordinary[this.#slot];
    if (ordinary && score >= this.#ordinaryScore) {
      this.#ordinary = score > this.#ordinaryScore ? ordinary : stricter(this.#ordinary, ordinary);
      this.#ordinaryScore = score;
    }
  }

  #pick(): Judgement | undefined {
    if (this.#never) return this.#never;
    if (this.#protective && this.#protective.severity > 0) return this.#protective;
    return this.#ordinary;
  }
}
