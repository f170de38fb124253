// What a thread that reads ahead (read-ahead.ts) makes of a window of a journal, as it goes to the thread that keeps the
// log: flat memory and one text, because an object a record would cost what the thread saves.
import type { Disposition } from '../model/mod.ts';
import { templateOfPieces } from '../ocsf/mod.ts';
import type { EventTemplate, Term } from '../ocsf/mod.ts';
import { hashSize } from '../proof/mod.ts';
import type { Hash } from '../proof/mod.ts';
import type { NewEntry } from './log.ts';

export interface PreparedWindow {
  /** Bytes of the journal: where it begins, and where the next one does. */
  readonly from: number;
  readonly to: number;
  /** Highest number before it. */
  readonly highest: number;
  /** `fields` for each item. */
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly terms: Float64Array<ArrayBuffer>;
  readonly leaves: Uint8Array<ArrayBuffer>;
  /** Of all items, one behind the other. */
  readonly texts: string;
  /** Classes and dispositions, by the numbers that items have for them. */
  readonly names: readonly string[];
  /** Those that no window before had. */
  readonly templates: readonly (readonly [id: number, pieces: readonly string[]])[];
  /** Templates of windows before are not meant any more. */
  readonly forget: boolean;
}

/** An entry that needs only its place in the log. */
export interface PreparedRecord extends NewEntry {
  readonly as: 'record';
  readonly count: number;
  readonly disposition: Disposition;
  readonly own: string;
  readonly leaf: Hash;
  readonly terms: Float64Array;
}

export type PreparedItem =
  | PreparedRecord
  | { readonly as: 'strange' }
  | { readonly as: 'repeat'; readonly seq: number }
  /** A record or outcome of which the log may have something: to be read anew, behind all others. */
  | { readonly as: 'late'; readonly text: string };

const sorts = ['record', 'strange', 'repeat', 'late'] as const;
/** Sort, seq, time, settled, count, class, disposition, template (0: none), end of its text, end of its terms. */
const fields = 10;

type Packed = 'seq' | 'time' | 'settled' | 'count' | 'class' | 'disposition' | 'text' | 'leaf';
export type RecordToPack = Pick<PreparedRecord, Packed> & {
  readonly terms: readonly Term[];
  /** By a number that is its own; then the text is what else is the record’s own. 0: none. */
  readonly template: number;
};

/** Numbers in flat memory, as many as come. */
class Numbers {
  #values = new Float64Array(8192);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) this.#widen();
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  /** Of these alone. */
  copy(): Float64Array<ArrayBuffer> {
    return this.#values.slice(0, this.#length);
  }

  #widen(): void {
    const values = new Float64Array(this.#values.length * 2);
    values.set(this.#values);
    this.#values = values;
  }
}

/** Puts a window together. */
export class WindowPacker {
  readonly #numbers = new Numbers();
  readonly #terms = new Numbers();
  readonly #leaves: string[] = [];
  readonly #texts: string[] = [];
  readonly #names = new Map<string, number>();
  #length = 0;

  record(record: RecordToPack): void {
    const { template, text, terms, leaf, seq, time, settled, count } = record;
    for (const term of terms) this.#terms.push(term);
    this.#leaves.push(leaf);
    this.#begin('record', seq, time, settled, count);
    this.#numbers.push(this.#name(record.class));
    this.#numbers.push(this.#name(record.disposition));
    this.#end(template, text);
  }

  strange(): void {
    this.#other('strange', 0, '');
  }

  repeat(seq: number): void {
    this.#other('repeat', seq, '');
  }

  late(text: string): void {
    this.#other('late', 0, text);
  }

  window(rest: Pick<PreparedWindow, 'from' | 'to' | 'highest' | 'templates' | 'forget'>): PreparedWindow {
    const leaves = new Uint8Array(this.#leaves.length * hashSize);
    Buffer.from(leaves.buffer).latin1Write(this.#leaves.join(''), 0);
    return {
      ...rest,
      numbers: this.#numbers.copy(),
      terms: this.#terms.copy(),
      leaves,
      texts: this.#texts.join(''),
      names: [...this.#names.keys()],
    };
  }

  #other(as: PreparedItem['as'], seq: number, text: string): void {
    this.#begin(as, seq, 0, false, 0);
    this.#numbers.push(0);
    this.#numbers.push(0);
    this.#end(0, text);
  }

  #begin(as: PreparedItem['as'], seq: number, time: number, settled: boolean, count: number): void {
    this.#numbers.push(sorts.indexOf(as));
    this.#numbers.push(seq);
    this.#numbers.push(time);
    this.#numbers.push(settled ? 1 : 0);
    this.#numbers.push(count);
  }

  #end(template: number, text: string): void {
    this.#texts.push(text);
    this.#length += text.length;
    this.#numbers.push(template);
    this.#numbers.push(this.#length);
    this.#numbers.push(this.#terms.length);
  }

  #name(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    this.#names.set(name, this.#names.size);
    return this.#names.size - 1;
  }
}

/** To be moved with a window, not copied. */
export const buffersOf = ({ numbers, terms, leaves }: PreparedWindow): ArrayBuffer[] => [
  numbers.buffer,
  terms.buffer,
  leaves.buffer,
];

/** An entry's text is put together when somebody needs it. */
class Prepared implements PreparedRecord {
  readonly as = 'record';
  readonly part = 0;
  readonly stream: string;
  readonly subject: string;
  readonly seq: number;
  readonly time: number;
  readonly settled: boolean;
  readonly count: number;
  readonly class: string;
  readonly disposition: Disposition;
  readonly template: EventTemplate | undefined;
  readonly own: string;
  readonly leaf: Hash;
  readonly terms: Float64Array;

  constructor(session: string, { numbers, names }: PreparedWindow, at: number, rest: Rest) {
    this.stream = session;
    this.subject = session;
    this.seq = numbers[at + 1] ?? 0;
    this.time = numbers[at + 2] ?? 0;
    this.settled = numbers[at + 3] === 1;
    this.count = numbers[at + 4] ?? 0;
    this.class = names[numbers[at + 5] ?? 0] ?? '';
    this.disposition = names[numbers[at + 6] ?? 0] as Disposition;
    this.template = rest.template;
    this.own = rest.own;
    this.leaf = rest.leaf;
    this.terms = rest.terms;
  }

  get text(): string {
    const { stream, seq, time, own } = this;
    return this.template?.text({ id: `${stream}-${seq}`, seq, time, own }) ?? own;
  }
}
type Rest = Pick<Prepared, 'template' | 'own' | 'leaf' | 'terms'>;

/** Its items, in order. `templates`: those of the windows before, which those of this one are added to. */
export function* itemsOf(
  session: string,
  window: PreparedWindow,
  templates: Map<number, EventTemplate>,
): Generator<PreparedItem> {
  if (window.forget) templates.clear();
  for (const [id, pieces] of window.templates) {
    const template = templateOfPieces(pieces);
    if (template !== undefined) templates.set(id, template);
  }
  const { numbers, texts, terms } = window;
  const leaves = Buffer.from(window.leaves.buffer);
  let [start, firstTerm, leafStart] = [0, 0, 0];
  for (let at = 0; at < numbers.length; at += fields) {
    const as = sorts[numbers[at] ?? 0] ?? 'strange';
    const end = numbers[at + 8] ?? 0;
    const own = texts.slice(start, end);
    start = end;
    if (as === 'record') {
      const lastTerm = numbers[at + 9] ?? 0;
      const leaf = leaves.latin1Slice(leafStart, leafStart + hashSize);
      const template = templates.get(numbers[at + 7] ?? 0);
      yield new Prepared(session, window, at, {
        own,
        leaf,
        template,
        terms: terms.subarray(firstTerm, lastTerm),
      });
      [firstTerm, leafStart] = [lastTerm, leafStart + hashSize];
    } else if (as === 'late') yield { as, text: own };
    else yield as === 'strange' ? { as } : { as, seq: numbers[at + 1] ?? 0 };
  }
}
