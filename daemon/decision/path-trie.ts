// Path rules as one trie over components. A decision walks the components of the name once; its cost grows with the
// depth of the name and the number of `**` branches that are alive, not with the number of rules.
//
// Which rule wins, for one kind of access:
//   1. a `never` rule that matches, however general;
//   2. else the best matching protective rule, when it denies or asks (its allow only lifts the protection);
//   3. else the best matching ordinary rule; 4. else nothing (the caller's default deny).
// "Best" is the greatest (depth, literals, partials, anys):
//   depth    = how many components of the name the pattern accounts for, up to its last component other than `**`;
//              `**` may match in several ways, the deepest counts;
//   literals = literal components in the pattern; partials = components such as `*.sample` or `a?`; anys = `*`.
// Of equal ones the stricter (deny, ask, allow), of equally strict ones the rule written first is named.
// Every rule covers what it names and everything below; one that ends in `/.` covers the object alone, and counts as one
// `*` more.
import type { NameException } from '../model/mod.ts';
import { componentsOf, shapeOf } from './component.ts';
import { EdgeTable, hashRange } from './edge-table.ts';
import { stricter } from './judgement.ts';
import type { Judgement } from './judgement.ts';
import { WildTable } from './wild-table.ts';

const precedences = ['never', 'protective', 'ordinary'] as const;
export type Precedence = (typeof precedences)[number];

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
  readonly index: number;
  /** Literals, partials, anys: eight bits each, below the depth in a score. */
  readonly rank: number;
  /** A node after `**` stays alive for every further component. */
  readonly loops: boolean;
  hasLiterals = false;
  any: Node | undefined;
  wild: WildTable<Node> | undefined;
  deep: Node | undefined;
  /** By precedence × slot; undefined while no rule ends here. */
  said: (Judgement | undefined)[] | undefined;
  /** The same for the object alone. */
  alone: (Judgement | undefined)[] | undefined;
  /** Per slot: final components of rules one below that do not simply allow. */
  exceptions: Map<string, NameException>[] | undefined;
  /** The step at which this node was last entered: a `**` node can be reached twice in one step. */
  stamp = 0;
  constructor(index: number, rank: number, loops: boolean) {
    this.index = index;
    this.rank = rank;
    this.loops = loops;
  }
}

const partialRank = 2 ** 8;
const literalRank = 2 ** 16;
const depthRank = 2 ** 24;
/** So that no count runs into the next; `policy` refuses longer patterns. */
const longestPattern = 255;

export class PathTrie {
  readonly #slots: number;
  readonly #edges = new EdgeTable();
  readonly #nodes: Node[] = [];
  readonly #root: Node;
  #alive: Node[] = [];
  #next: Node[] = [];
  #step = 0;
  #slot = 0;
  readonly #best: (Judgement | undefined)[] = precedences.map(() => undefined);
  readonly #scores: number[] = precedences.map(() => -1);

  constructor(slots: number, rules: readonly PathRule[]) {
    this.#slots = slots;
    this.#root = this.#node(0, false);
    for (const rule of rules) this.#insert(rule);
  }

  #node(rank: number, loops: boolean): Node {
    const node = new Node(this.#nodes.length, rank, loops);
    this.#nodes.push(node);
    return node;
  }

  #insert(rule: PathRule): void {
    const { parts, alone } = componentsOf(rule);
    if (parts.length > longestPattern)
      throw new RangeError(`a path rule has more than ${longestPattern} components`);
    let node = this.#root;
    let parent: Node | undefined;
    for (const part of parts) {
      parent = node;
      node = this.#child(node, part);
    }
    const row = precedences.indexOf(rule.precedence) * this.#slots;
    const empty = (): undefined[] =>
      Array.from({ length: precedences.length * this.#slots }, () => undefined);
    const said = alone ? (node.alone ??= empty()) : (node.said ??= empty());
    for (const [i, slot] of rule.slots.entries()) {
      const judgement = rule.judgements[i]!;
      said[row + slot] = stricter(said[row + slot], judgement);
      const plain = judgement.severity === 0 && judgement.verdict.obligations.length === 0;
      if (parent && !plain) this.#except(parent, slot, parts.at(-1)!);
    }
  }

  #child(node: Node, component: string): Node {
    if (component === '**') return node.loops ? node : (node.deep ??= this.#node(node.rank, true));
    const shape = shapeOf(component);
    if (shape === 'any') return (node.any ??= this.#node(node.rank + 1, false));
    if (shape === 'literal') return this.#literal(node, component);
    node.wild ??= new WildTable();
    return node.wild.grow(component, shape, () => this.#node(node.rank + partialRank, false));
  }

  #literal(node: Node, name: string): Node {
    const found = this.#edges.find(node.index, hashRange(name, 0, name.length), name, 0, name.length);
    if (found >= 0) return this.#nodes[found]!;
    const child = this.#node(node.rank + literalRank, false);
    this.#edges.add(node.index, name, child.index);
    node.hasLiterals = true;
    return child;
  }

  #except(parent: Node, slot: number, name: string): void {
    parent.exceptions ??= Array.from({ length: this.#slots }, () => new Map<string, NameException>());
    parent.exceptions[slot]!.set(name, { name, wildcard: shapeOf(name) !== 'literal' });
  }

  /** undefined: no rule speaks. The path is absolute and normalised; of one with `.` or `..` no rule speaks. */
  judge(path: string, slot: number): Judgement | undefined {
    const depth = this.#walk(path, slot);
    for (const node of this.#alive) this.#weigh(node.alone, node.rank + 1, depth);
    return this.#pick();
  }

  /**
   * The judgement of a child with a name that no rule mentions, and every name that some rule does mention with
   * something other than a plain allow.
   */
  children(
    directory: string,
    slot: number,
  ): { judgement: Judgement | undefined; exceptions: NameException[] } {
    const depth = this.#walk(directory, slot);
    const exceptions = new Map<string, NameException>();
    for (const node of this.#alive) {
      for (const [name, exception] of node.exceptions?.[slot] ?? []) exceptions.set(name, exception);
    }
    for (const { any } of this.#alive) {
      if (!any) continue;
      this.#weigh(any.said, any.rank, depth + 1);
      this.#weigh(any.alone, any.rank + 1, depth + 1);
    }
    return { judgement: this.#pick(), exceptions: [...exceptions.values()] };
  }

  #walk(path: string, slot: number): number {
    this.#begin(slot);
    if (!isNormalised(path)) return this.#forget();
    let depth = 0;
    let start = 1;
    while (start < path.length && this.#alive.length > 0) {
      let end = path.indexOf('/', start);
      if (end < 0) end = path.length;
      if (end > start) this.#advance(path, start, end, ++depth);
      start = end + 1;
    }
    return depth;
  }

  #begin(slot: number): void {
    this.#slot = slot;
    this.#best.fill(undefined);
    this.#scores.fill(-1);
    this.#alive.length = 0;
    this.#step++;
    this.#enter(this.#root, 0, this.#alive);
  }

  #forget(): number {
    this.#best.fill(undefined);
    this.#alive.length = 0;
    return 0;
  }

  #advance(path: string, start: number, end: number, depth: number): void {
    const alive = this.#alive;
    const next = this.#next;
    next.length = 0;
    this.#step++;
    const hash = hashRange(path, start, end);
    for (const node of alive) {
      if (node.hasLiterals) {
        const exact = this.#edges.find(node.index, hash, path, start, end);
        if (exact >= 0) this.#enter(this.#nodes[exact]!, depth, next);
      }
      if (node.any) this.#enter(node.any, depth, next);
      if (node.wild) node.wild.each(path.slice(start, end), (hit) => this.#enter(hit, depth, next));
      if (node.loops) this.#enter(node, depth, next);
    }
    this.#next = alive;
    this.#alive = next;
  }

  #enter(node: Node, depth: number, next: Node[]): void {
    if (node.stamp === this.#step) return;
    node.stamp = this.#step;
    next.push(node);
    if (!node.loops) this.#weigh(node.said, node.rank, depth);
    if (node.deep) this.#enter(node.deep, depth, next);
  }

  #weigh(said: Node['said'], rank: number, depth: number): void {
    if (!said) return;
    const score = depth * depthRank + rank;
    for (let row = 0; row < precedences.length; row++) {
      const judgement = said[row * this.#slots + this.#slot];
      const best = this.#scores[row]!;
      if (!judgement || score < best) continue;
      this.#best[row] = score > best ? judgement : stricter(this.#best[row], judgement);
      this.#scores[row] = score;
    }
  }

  #pick(): Judgement | undefined {
    const [never, protective, ordinary] = this.#best;
    if (never) return never;
    return protective && protective.severity > 0 ? protective : ordinary;
  }
}

const dots = /\/\.\.?(?:\/|$)/;

/** A path with `.` or `..` was not normalised, and no rule speaks for it. */
const isNormalised = (path: string): boolean =>
  path.charCodeAt(0) === 47 && (!path.includes('/.') || !dots.test(path));
