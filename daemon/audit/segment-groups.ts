// Which segments may have a term, for sixteen segments at once: what hardly any entry has, or none, is looked for in one
// row of a group instead of in each of its segments. Made of the index in short steps, behind it; a group that is not made
// yet is asked segment by segment.
// A row has a share of a group's terms, by their first eight bits: for each of these terms, ascending, u16 LE of what
// follows in the term, and u16 LE of the segments that have one like it.
import type { Term } from '../ocsf/mod.ts';
import type { Database, Statement } from './database.ts';
import { termsInBlock } from './term-blocks.ts';

export const groupSize = 16;
const everySegment = 0xffff;
const shares = 256;
/** Terms of a share, and of what two bytes tell apart in it. */
const shareWidth = 2 ** 45;
const signWidth = 2 ** 29;
const sharesAStep = 8;

const shareOf = (term: Term): number => Math.floor(term / shareWidth);
const signOf = (term: Term): number => Math.floor((term % shareWidth) / signWidth);

export class SegmentGroups {
  readonly #db: Database;
  readonly #share: Statement<[number, number], Buffer>;
  readonly #blocks: Statement<[number, Term, number, Term], Buffer>;
  readonly #insert: Statement<[number, number, Buffer]>;
  /** Groups before this one are made. */
  #next: number;
  /** Of the next: shares that are made. */
  #made = 0;

  constructor(db: Database) {
    this.#db = db;
    this.#share = db
      .prepare<[number, number], Buffer>('SELECT terms FROM group_terms WHERE number = ? AND share = ?')
      .pluck();
    this.#blocks = db
      .prepare<[number, Term, number, Term], Buffer>(
        `SELECT terms FROM term_blocks WHERE segment = ? AND first < ?
          AND first >= coalesce((SELECT max(first) FROM term_blocks WHERE segment = ? AND first <= ?), 0)`,
      )
      .pluck();
    this.#insert = db.prepare('INSERT OR REPLACE INTO group_terms (number, share, terms) VALUES (?, ?, ?)');
    // Shares are made in order, and groups.
    const whole = `SELECT max(number) FROM group_terms WHERE share = ${shares - 1}`;
    this.#next = (db.prepare<[], number | null>(whole).pluck().get() ?? -1) + 1;
  }

  /** Of a question: whether a segment may have entries with all of these terms. True for what is not known. */
  asked(terms: readonly Term[]): (segment: number) => boolean {
    const known = new Map<number, number>();
    return (segment) => {
      const group = Math.floor(segment / groupSize);
      if (group >= this.#next) return true;
      let having = known.get(group);
      if (having === undefined) known.set(group, (having = this.#having(group, terms)));
      return (having & (1 << (segment % groupSize))) !== 0;
    };
  }

  /** A short step of making the groups of the segments before `end`. True when more is to be done. */
  step(end: number): boolean {
    const group = this.#next;
    if ((group + 1) * groupSize > end) return false;
    const from = this.#made;
    const to = from + sharesAStep;
    this.#db.transaction(() => {
      for (const [i, signs] of this.#signs(group, from, to).entries())
        this.#insert.run(group, from + i, packed(signs));
    })();
    this.#made = to % shares;
    if (this.#made === 0) this.#next = group + 1;
    return true;
  }

  /** A bit for each segment of the group. */
  #having(group: number, terms: readonly Term[]): number {
    let having = everySegment;
    for (const term of terms) {
      if (having === 0) break;
      const share = this.#share.get(group, shareOf(term));
      having &= share === undefined ? everySegment : found(share, signOf(term));
    }
    return having;
  }

  /** For each of these shares: what its terms are told apart by, and who has them. */
  #signs(group: number, from: number, to: number): Map<number, number>[] {
    const signs = Array.from({ length: to - from }, () => new Map<number, number>());
    const [low, high] = [from * shareWidth, to * shareWidth];
    for (let i = 0; i < groupSize; i++) {
      const segment = group * groupSize + i;
      for (const block of this.#blocks.all(segment, high, segment, low))
        for (const term of termsInBlock(block)) {
          const share = signs[shareOf(term) - from];
          const sign = signOf(term);
          share?.set(sign, (share.get(sign) ?? 0) | (1 << i));
        }
    }
    return signs;
  }
}

function packed(signs: ReadonlyMap<number, number>): Buffer {
  const bytes = Buffer.alloc(signs.size * 4);
  const ordered = [...signs].sort(([a], [b]) => a - b);
  for (const [i, [sign, segments]] of ordered.entries()) {
    bytes.writeUInt16LE(sign, i * 4);
    bytes.writeUInt16LE(segments, i * 4 + 2);
  }
  return bytes;
}

/** A share that is damaged rules nothing out. */
function found(bytes: Buffer, sign: number): number {
  if (bytes.length % 4 !== 0) return everySegment;
  let [low, high] = [0, bytes.length / 4];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bytes.readUInt16LE(middle * 4) < sign) low = middle + 1;
    else high = middle;
  }
  return low * 4 < bytes.length && bytes.readUInt16LE(low * 4) === sign ? bytes.readUInt16LE(low * 4 + 2) : 0;
}
