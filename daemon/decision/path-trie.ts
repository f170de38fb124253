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
import { stricter } from './judgement.ts';
import type { Judgement } from './judgement.ts';
import {
  ALONE,
  BRANCHES,
  EXCEPTIONS,
  hashName,
  hashSeed,
  hashStep,
  LOOPS,
  none,
  NodeTable,
} from './node-table.ts';
import { Rows } from './rows.ts';
import type { Said } from './rows.ts';
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

/** Literals, partials, anys: eight bits each, below the depth in a score. */
const partialRank = 2 ** 8;
const literalRank = 2 ** 16;
const depthRank = 2 ** 24;
/** So that no count runs into the next; `policy` refuses longer patterns. */
const longestPattern = 255;
/** Steps are kept in 32 bits; a path has at most 4096 of them. */
const lastStep = 2 ** 31 - 8192;
const root = 0;
const slash = 47;

export class PathTrie {
  readonly #slots: number;
  readonly #nodes = new NodeTable();
  /** What rules say, by NodeTable.said (or #alone), precedence and slot. */
  readonly #said: Said['list'];
  readonly #ranks: Said['ranks'];
  /** For the object alone. */
  readonly #alone = new Map<number, number>();
  /** By NodeTable.wild. */
  readonly #wild: WildTable<number>[] = [];
  /** By node and slot: final components of rules one below that do not simply allow. */
  readonly #exceptions = new Map<number, Map<string, NameException>[]>();
  /** Nodes alive after the last component; the lists are kept, their lengths are beside them. */
  #alive: number[] = [];
  #aliveCount = 0;
  #next: number[] = [];
  #nextCount = 0;
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
    this.#nodes.add(0);
    const rows = new Rows(slots * precedences.length);
    for (const rule of rules) this.#insert(rule, rows);
    const { list, ranks } = rows.intern((node, said) => this.#nodes.setSaid(node, said), this.#alone);
    this.#said = list;
    this.#ranks = ranks;
  }

  #insert(rule: PathRule, rows: Rows): void {
    const { parts, alone } = componentsOf(rule);
    if (parts.length > longestPattern)
      throw new RangeError(`a path rule has more than ${longestPattern} components`);
    let node = root;
    let parent = none;
    let rank = 0;
    for (const part of parts) {
      parent = node;
      node = this.#child(node, part);
      rank += rankOf(part);
    }
    const said = rows.of(node, rank, alone);
    if (alone) this.#nodes.flag(node, ALONE);
    const row = precedences.indexOf(rule.precedence) * this.#slots;
    for (const [i, slot] of rule.slots.entries()) {
      const judgement = rule.judgements[i]!;
      said[row + slot] = stricter(said[row + slot], judgement);
      const plain = judgement.severity === 0 && judgement.verdict.obligations.length === 0;
      if (parent !== none && !plain) this.#except(parent, slot, parts.at(-1)!);
    }
  }

  #child(node: number, component: string): number {
    if (component === '**') return this.#deep(node);
    const shape = shapeOf(component);
    if (shape === 'any') return this.#any(node);
    if (shape === 'literal') return this.#literal(node, component);
    if (this.#nodes.wild(node) === none) this.#nodes.setWild(node, this.#wild.push(new WildTable()) - 1);
    return this.#wild[this.#nodes.wild(node)]!.grow(component, shape, () => this.#nodes.add(0));
  }

  #deep(node: number): number {
    if ((this.#nodes.flags(node) & LOOPS) !== 0) return node;
    if (this.#nodes.deep(node) === none) this.#nodes.setDeep(node, this.#nodes.add(LOOPS));
    return this.#nodes.deep(node);
  }

  #any(node: number): number {
    if (this.#nodes.any(node) === none) this.#nodes.setAny(node, this.#nodes.add(0));
    return this.#nodes.any(node);
  }

  #literal(node: number, name: string): number {
    const found = this.#nodes.literal(node, hashName(name), name, 0, name.length);
    return found === none ? this.#nodes.connect(node, name) : found;
  }

  #except(parent: number, slot: number, name: string): void {
    let bySlot = this.#exceptions.get(parent);
    if (!bySlot) {
      bySlot = Array.from({ length: this.#slots }, () => new Map<string, NameException>());
      this.#exceptions.set(parent, bySlot);
      this.#nodes.flag(parent, EXCEPTIONS);
    }
    bySlot[slot]!.set(name, { name, wildcard: shapeOf(name) !== 'literal' });
  }

  /** undefined: no rule speaks; `unprotected` leaves the protective ones out. The path is absolute and normalised; of one with `.` or `..` no rule speaks. */
  judge(path: string, slot: number, unprotected = false): Judgement | undefined {
    const depth = this.#walk(path, slot);
    for (let i = 0; i < this.#aliveCount; i++) {
      const node = this.#alive[i]!;
      if ((this.#nodes.flags(node) & ALONE) !== 0) this.#weigh(this.#alone.get(node)!, depth);
    }
    if (unprotected) this.#protective = undefined;
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
    const alive = this.#alive.slice(0, this.#aliveCount);
    for (const node of alive) {
      for (const [name, exception] of this.#exceptions.get(node)?.[slot] ?? [])
        exceptions.set(name, exception);
    }
    for (const node of alive) {
      const any = this.#nodes.any(node);
      if (any === none) continue;
      if (this.#nodes.said(any) !== none) this.#weigh(this.#nodes.said(any), depth + 1);
      const alone = this.#alone.get(any);
      if (alone !== undefined) this.#weigh(alone, depth + 1);
    }
    return { judgement: this.#pick(), exceptions: [...exceptions.values()] };
  }

  #walk(path: string, slot: number): number {
    this.#begin(slot);
    if (path.charCodeAt(0) !== slash) return this.#forget();
    let depth = 0;
    let start = 1;
    while (start < path.length && this.#aliveCount > 0) {
      let hash = hashSeed;
      let end = start;
      for (; end < path.length; end++) {
        const byte = path.charCodeAt(end);
        if (byte === slash) break;
        hash = hashStep(hash, byte);
      }
      if (isDots(path, start, end)) return this.#forget();
      if (end > start) this.#advance(path, start, end, hash, ++depth);
      start = end + 1;
    }
    return start < path.length && hasDots(path, start - 1) ? this.#forget() : depth;
  }

  #begin(slot: number): void {
    this.#slot = slot;
    this.#never = this.#protective = this.#ordinary = undefined;
    this.#neverScore = this.#protectiveScore = this.#ordinaryScore = -1;
    this.#nextCount = 0;
    if (this.#step > lastStep) this.#step = this.#nodes.forgetSteps();
    this.#step++;
    this.#enter(root, 0);
    this.#turn();
  }

  #forget(): number {
    this.#never = this.#protective = this.#ordinary = undefined;
    this.#aliveCount = 0;
    return 0;
  }

  /** What was entered is alive, and the next step begins. */
  #turn(): void {
    const alive = this.#alive;
    this.#alive = this.#next;
    this.#aliveCount = this.#nextCount;
    this.#next = alive;
    this.#nextCount = 0;
  }

  #advance(path: string, start: number, end: number, hash: number, depth: number): void {
    const nodes = this.#nodes;
    this.#step++;
    for (let i = 0; i < this.#aliveCount; i++) {
      const node = this.#alive[i]!;
      const flags = nodes.flags(node);
      const exact = nodes.literal(node, hash, path, start, end);
      if (exact !== none) this.#enter(exact, depth);
      if ((flags & BRANCHES) !== 0) this.#branch(node, path, start, end, depth);
      if ((flags & LOOPS) !== 0) this.#enter(node, depth);
    }
    this.#turn();
  }

  #branch(node: number, path: string, start: number, end: number, depth: number): void {
    const any = this.#nodes.any(node);
    if (any !== none) this.#enter(any, depth);
    const wild = this.#nodes.wild(node);
    if (wild !== none) this.#wild[wild]!.each(path, start, end, (hit) => this.#enter(hit, depth));
  }

  #enter(node: number, depth: number): void {
    const nodes = this.#nodes;
    const flags = nodes.flags(node);
    if ((flags & LOOPS) !== 0) {
      if (!nodes.enterOnce(node, this.#step)) return;
    } else {
      const said = nodes.said(node);
      if (said !== none) this.#weigh(said, depth);
    }
    this.#next[this.#nextCount++] = node;
    if ((flags & BRANCHES) === 0) return;
    const deep = nodes.deep(node);
    if (deep !== none) this.#enter(deep, depth);
  }

  #weigh(said: number, depth: number): void {
    const score = depth * depthRank + this.#ranks[said]!;
    const at = said * precedences.length * this.#slots + this.#slot;
    const never = this.#said[at];
    if (never && score >= this.#neverScore) {
      this.#never = score > this.#neverScore ? never : stricter(this.#never, never);
      this.#neverScore = score;
    }
    const protective = this.#said[at + this.#slots];
    if (protective && score >= this.#protectiveScore) {
      this.#protective = score > this.#protectiveScore ? protective : stricter(this.#protective, protective);
      this.#protectiveScore = score;
    }
    const ordinary = this.#said[at + 2 * this.#slots];
    if (ordinary && score >= this.#ordinaryScore) {
      this.#ordinary = score > this.#ordinaryScore ? ordinary : stricter(this.#ordinary, ordinary);
      this.#ordinaryScore = score;
    }
  }

  #pick(): Judgement | undefined {
    if (this.#never) return this.#never;
    return this.#protective && this.#protective.severity > 0 ? this.#protective : this.#ordinary;
  }
}

function rankOf(component: string): number {
  if (component === '**') return 0;
  const shape = shapeOf(component);
  if (shape === 'any') return 1;
  return shape === 'literal' ? literalRank : partialRank;
}

function hasDots(path: string, from: number): boolean {
  for (let at = path.indexOf('/.', from); at >= 0; at = path.indexOf('/.', at + 1)) {
    const end = path.indexOf('/', at + 1);
    if (isDots(path, at + 1, end < 0 ? path.length : end)) return true;
  }
  return false;
}

/** `.` or `..`: such a path was not normalised, and no rule speaks for it. */
function isDots(path: string, start: number, end: number): boolean {
  if (end - start > 2 || path.charCodeAt(start) !== 46) return false;
  return end === start + 1 || path.charCodeAt(start + 1) === 46;
}
