// The index of the log, by segments of 16,384 entries: for each term of a segment, which of its entries have it. Segments
// are written once, whole, behind the last one: appending costs the same however long the log is, and a look-up is one
// short search a segment. The index is made of the log and can be made again; nothing is proved by it.
import type { Term } from '../ocsf/mod.ts';
import type { Database, Statement } from './database.ts';
import { mapBytes, packedSize, packInto, segmentSize, unpack } from './offsets.ts';
import type { Offsets } from './offsets.ts';
import { SegmentGroups } from './segment-groups.ts';
import { findInBlock, termBlocks } from './term-blocks.ts';
import { TermTable } from './term-table.ts';

export interface Segment {
  readonly number: number;
  /** Unix ms, of its records. */
  readonly earliest: number;
  readonly latest: number;
}

export interface Indexed {
  readonly position: number;
  readonly time: number;
  /** Empty for an outcome that came later: its record is what is found. */
  readonly terms: readonly Term[] | Float64Array;
}

/** The segment that grows, in memory. */
class Growing {
  readonly number: number;
  readonly terms = new TermTable();
  earliest = Infinity;
  latest = -Infinity;

  constructor(number: number) {
    this.number = number;
  }

  add({ position, time, terms }: Indexed): void {
    if (terms.length === 0) return;
    this.earliest = Math.min(this.earliest, time);
    this.latest = Math.max(this.latest, time);
    const offset = position % segmentSize;
    for (const term of terms) this.terms.add(term, offset);
  }

  /** As they are stored; undefined when no entry has the term. */
  packed(term: Term): Uint8Array | undefined {
    const count = this.terms.count(term);
    if (count === 0) return undefined;
    const bytes = new Uint8Array(packedSize(count));
    packInto(bytes, 0, this.terms, term);
    return bytes;
  }
}

export class Segments {
  readonly #db: Database;
  readonly #insertSegment: Statement<[number, number, number]>;
  readonly #insertBlock: Statement<[number, Term, Buffer]>;
  readonly #block: Statement<[number, Term], Buffer>;
  /** What rules out many segments at once. */
  readonly #groups: SegmentGroups;
  #growing: Growing;
  #next: number;

  constructor(db: Database) {
    this.#db = db;
    this.#groups = new SegmentGroups(db);
    this.#insertSegment = db.prepare('INSERT INTO segments (segment, earliest, latest) VALUES (?, ?, ?)');
    this.#insertBlock = db.prepare('INSERT INTO term_blocks (segment, first, terms) VALUES (?, ?, ?)');
    const nearest =
      'SELECT terms FROM term_blocks WHERE segment = ? AND first <= ? ORDER BY first DESC LIMIT 1';
    this.#block = db.prepare<[number, Term], Buffer>(nearest).pluck();
    const last = db.prepare<[], number | null>('SELECT max(segment) FROM segments').pluck().get() ?? -1;
    this.#next = (last + 1) * segmentSize;
    this.#growing = new Growing(last + 1);
  }

  /** Position of the first entry that is not in the index. */
  get next(): number {
    return this.#next;
  }

  /**
   * Takes in entries that were committed, in order. Those that are in already are passed over; those behind a gap are
   * left for whoever reads the log again from `next`. A segment that is full is written.
   */
  take(entries: readonly Indexed[]): void {
    for (const entry of entries) {
      if (entry.position < this.#next) continue;
      if (entry.position > this.#next) return;
      this.#growing.add(entry);
      if ((entry.position + 1) % segmentSize === 0) this.#close();
      this.#next = entry.position + 1;
    }
  }

  /** The log has nothing between the index and this position: one that took the place of another begins further on. */
  skipTo(position: number): void {
    if (position <= this.#next) return;
    const number = Math.floor(position / segmentSize);
    if (number > this.#growing.number) {
      if (this.#growing.terms.size > 0) this.#close();
      this.#growing = new Growing(number);
    }
    this.#next = position;
  }

  /** Newest first. */
  all(): Segment[] {
    const sql = 'SELECT segment AS number, earliest, latest FROM segments ORDER BY segment DESC';
    const { number, earliest, latest } = this.#growing;
    return [{ number, earliest, latest }, ...this.#db.prepare<[], Segment>(sql).all()];
  }

  /** One question: whether a segment may have entries with all of these terms. */
  asked(terms: readonly Term[]): (segment: number) => boolean {
    return this.#groups.asked(terms);
  }

  /** A short step of making that quicker. True when more is to be done. */
  group(): boolean {
    return this.#groups.step(this.#growing.number);
  }

  /** Entries of a segment that have all of these terms; undefined when none has. */
  having(segment: number, terms: readonly Term[]): Offsets | undefined {
    let found: Uint8Array | undefined;
    for (const term of terms) {
      const offsets = this.#offsets(segment, term);
      if (offsets === undefined) return undefined;
      found = found === undefined ? offsets : both(found, offsets);
    }
    return found ?? new Uint8Array(mapBytes).fill(0xff);
  }

  #offsets(segment: number, term: Term): Offsets | undefined {
    const growing = segment === this.#growing.number ? this.#growing.packed(term) : undefined;
    const stored = growing ?? this.#stored(segment, term);
    return stored === undefined ? undefined : unpack(stored);
  }

  #stored(segment: number, term: Term): Uint8Array | undefined {
    const block = this.#block.get(segment, term);
    return block === undefined ? undefined : findInBlock(block, term);
  }

  /** Terms in order, behind those of the segment before: SQLite only ever appends. */
  #close(): void {
    const { number, terms, earliest, latest } = this.#growing;
    this.#db.transaction(() => {
      for (const { first, bytes } of termBlocks(terms)) this.#insertBlock.run(number, first, bytes);
      this.#insertSegment.run(
        number,
        earliest === Infinity ? 0 : earliest,
        latest === -Infinity ? 0 : latest,
      );
    })();
    this.#growing = new Growing(number + 1);
  }
}

function both(a: Offsets, b: Offsets): Offsets {
  const out = new Uint8Array(mapBytes);
  for (let i = 0; i < mapBytes; i++) out[i] = (a[i] ?? 0) & (b[i] ?? 0);
  return out;
}

/** Positions of a segment, highest first. */
export function positionsOf(segment: number, offsets: Offsets): number[] {
  const positions: number[] = [];
  for (let at = mapBytes - 1; at >= 0; at--) {
    const bits = offsets[at] ?? 0;
    if (bits === 0) continue;
    for (let bit = 7; bit >= 0; bit--)
      if ((bits & (1 << bit)) !== 0) positions.push(segment * segmentSize + at * 8 + bit);
  }
  return positions;
}
