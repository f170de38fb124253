// The append-only log: one leaf an event, chained and put into the tree in the transaction that inserts it. Holds the
// head in memory; what a transaction that failed did to it is undone with the transaction.
import {
  chainHash,
  CompactRange,
  emptyChain,
  hashBytes,
  hashOf,
  hashSize,
  leafHash,
  nodesOfTiles,
  subtrees,
  tileHeight,
} from '../proof/mod.ts';
import type { Hash, Nodes } from '../proof/mod.ts';
import type { EventTemplate } from '../ocsf/mod.ts';
import { durably } from './database.ts';
import type { Database, Statement } from './database.ts';
import { Templates } from './templates.ts';

export interface NewEntry {
  readonly stream: string;
  readonly seq: number;
  /** 0: the record; 1: its outcome, which came later. */
  readonly part: 0 | 1;
  /** The event has its outcome. */
  readonly settled: boolean;
  readonly subject: string;
  /** Unix ms. */
  readonly time: number;
  readonly class: string;
  readonly disposition: string;
  /** Canonical. */
  readonly text: string;
  /** That the text was made of with stream, number, time and what is its own; it may be stored as these. */
  readonly template?: EventTemplate | undefined;
  readonly own?: string;
  /** Its leaf hash, when another thread made it. */
  readonly leaf?: Hash | undefined;
}

/** What one log is called, and where it is. */
export interface LogIdentity {
  readonly number: number;
  readonly origin: string;
  /** Position of its first entry. */
  readonly base: number;
}

export interface TreeHead {
  readonly size: number;
  readonly root: Hash;
}

export interface LogHead extends LogIdentity, TreeHead {
  readonly chain: Hash;
}

/** A checkpoint is due whenever the size is a multiple of this. */
export const checkpointEvery = 1000;

/** Records, without outcomes that came later. */
export interface Totals {
  readonly records: number;
  readonly denied: number;
}

/** Where a log goes on. */
export interface LogState extends Totals {
  readonly size: number;
  readonly chain: Hash;
}

export const isDenial = (disposition: string): boolean =>
  disposition === 'denied' || disposition === 'would-deny';

interface Kept {
  readonly chain: Hash;
  readonly totals: Totals;
  readonly range: CompactRange;
  readonly due: readonly TreeHead[];
}

export class Log {
  readonly identity: LogIdentity;
  readonly nodes: Nodes;
  readonly templates: Templates;
  readonly #db: Database;
  readonly #insert: Statement<
    [
      number,
      string,
      number,
      number,
      number,
      string,
      number,
      string,
      string,
      Buffer,
      Buffer,
      string,
      number | null,
    ]
  >;
  readonly #insertTile: Statement<[number, number, number, Buffer]>;
  readonly #save: Statement<[number, Buffer, number, number, number]>;
  #totals: { records: number; denied: number };
  #chain: Hash;
  #range: CompactRange;
  #due: TreeHead[] = [];
  readonly #buffers = [Buffer.alloc(hashSize), Buffer.alloc(hashSize)] as const;

  /** `state` as the database has it. Throws RangeError when nodes are missing. */
  constructor(db: Database, identity: LogIdentity, state: LogState) {
    this.#db = db;
    this.identity = identity;
    this.nodes = nodesIn(db, identity);
    this.templates = new Templates(db);
    this.#chain = state.chain;
    this.#totals = { records: state.records, denied: state.denied };
    this.#range = rangeOf(this.nodes, state.size);
    this.#insert = db.prepare(
      `INSERT INTO entries (position, stream, seq, part, settled, subject, time, class, disposition, leaf, chain, event, template)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#insertTile = db.prepare('INSERT INTO tiles (log, level, position, hash) VALUES (?, ?, ?, ?)');
    this.#save = db.prepare('UPDATE logs SET size = ?, chain = ?, records = ?, denied = ? WHERE number = ?');
  }

  get size(): number {
    return this.#range.size;
  }

  /** Of this log. */
  get totals(): Totals {
    return { ...this.#totals };
  }

  head(): LogHead {
    return { ...this.identity, size: this.size, root: this.#range.root(), chain: this.#chain };
  }

  /** Only within `commit`. Returns its position. */
  append(entry: NewEntry): number {
    const leaf = entry.leaf ?? leafHash(entry.text);
    const chain = chainHash(this.#chain, leaf);
    const position = this.identity.base + this.size;
    const { own, template } = entry;
    const stored =
      template === undefined || own === undefined ? undefined : this.templates.idFor(template, position);
    this.#insert.run(
      position,
      entry.stream,
      entry.seq,
      entry.part,
      entry.settled ? 1 : 0,
      entry.subject,
      entry.time,
      entry.class,
      entry.disposition,
      this.#bound(0, leaf),
      this.#bound(1, chain),
      stored === undefined || own === undefined ? entry.text : own,
      stored ?? null,
    );
    this.#range.append(leaf, this.#completed);
    this.#chain = chain;
    if (entry.part === 0) this.#totals.records += 1;
    if (entry.part === 0 && isDenial(entry.disposition)) this.#totals.denied += 1;
    if (this.size % checkpointEvery === 0) this.#due.push({ size: this.size, root: this.#range.root() });
    return position;
  }

  /** As SQLite takes it, which copies. */
  #bound(which: 0 | 1, hash: Hash): Buffer {
    const buffer = this.#buffers[which];
    buffer.latin1Write(hash, 0);
    return buffer;
  }

  /** One transaction, all or nothing, the head included. `durable`: on the disk when this returns. */
  commit<T>(work: () => T, durable = false): T {
    const before = this.#keep();
    const whole = (): T => {
      const result = work();
      const { records, denied } = this.#totals;
      this.#save.run(this.size, hashBytes(this.#chain), records, denied, this.identity.number);
      return result;
    };
    try {
      return durable ? durably(this.#db, whole) : this.#db.transaction(whole).immediate();
    } catch (error) {
      this.#restore(before);
      this.templates.forget();
      throw error;
    }
  }

  /** Heads that a checkpoint is due for. */
  get due(): readonly TreeHead[] {
    return this.#due;
  }

  /** Those up to this size have theirs. */
  signed(size: number): void {
    this.#due = this.#due.filter((head) => head.size > size);
  }

  readonly #completed = (height: number, index: number, hash: Hash): void => {
    if (height % tileHeight === 0)
      this.#insertTile.run(this.identity.number, height / tileHeight, index, hashBytes(hash));
  };

  #keep(): Kept {
    return { chain: this.#chain, totals: this.totals, range: this.#range.copy(), due: [...this.#due] };
  }

  #restore({ chain, totals, range, due }: Kept): void {
    this.#chain = chain;
    this.#totals = { ...totals };
    this.#range = range;
    this.#due = [...due];
  }
}

/** The nodes of a log, as its entries and tiles in the database have them. */
export function nodesIn(db: Database, { number, base }: LogIdentity): Nodes {
  const leaves = db
    .prepare<[number, number], Buffer>(
      'SELECT leaf FROM entries WHERE position >= ? AND position < ? ORDER BY position',
    )
    .pluck();
  const roots = db
    .prepare<[number, number, number, number], Buffer>(
      'SELECT hash FROM tiles WHERE log = ? AND level = ? AND position >= ? AND position < ? ORDER BY position',
    )
    .pluck();
  return nodesOfTiles((level, from, count) => {
    const rows =
      level === 0
        ? leaves.all(base + from, base + from + count)
        : roots.all(number, level, from, from + count);
    return rows.map(hashOf);
  });
}

const rangeOf = (nodes: Nodes, size: number): CompactRange =>
  CompactRange.of(
    size,
    subtrees(size).map(({ height, index }) => nodes(height, index)),
  );

export const emptyState: LogState = { size: 0, chain: emptyChain, records: 0, denied: 0 };
