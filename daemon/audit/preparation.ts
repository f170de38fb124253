// Everything about a stretch of a journal that does not need the log: read, redacted, made events, hashed. Done by a
// thread of its own (intake-thread.ts), a window at a time, exactly as the log's own thread would.
import { classOf, eventText, keepsObject, redact, termsOf, varyingOf } from '../ocsf/mod.ts';
import type { EventContext, EventTemplate, Varying } from '../ocsf/mod.ts';
import type { SessionRecord } from '../model/mod.ts';
import { leafHash, leafHashBetween } from '../proof/mod.ts';
import type { Hash } from '../proof/mod.ts';
import { sortOut } from './intake.ts';
import { JournalReader } from './journal-reader.ts';
import { WindowPacker } from './prepared-window.ts';
import type { PreparedWindow } from './prepared-window.ts';
import type { PortableRedaction } from './redactor.ts';
import { keptParts, Repeats } from './repeats.ts';
import type { ReadRecord } from './repeats.ts';

export interface PreparationOrder {
  readonly session: string;
  readonly path: string;
  /** Where to begin, and the highest number before that. */
  readonly cursor: number;
  readonly highest: number;
  readonly context: EventContext;
  readonly redaction: PortableRedaction;
}

interface KnownTemplate {
  readonly id: number;
  readonly leaf: (varying: Varying) => Hash;
}

/** Templates that are known by number; when there are more, all are forgotten. */
const most = 2048;

export class Preparation {
  readonly #order: PreparationOrder;
  readonly #reader: JournalReader;
  readonly #repeats: Repeats;
  readonly #templates = new Map<EventTemplate, KnownTemplate>();
  #fresh: [id: number, pieces: readonly string[]][] = [];
  #nextId = 1;
  #cursor: number;
  #highest: number;

  constructor(order: PreparationOrder) {
    this.#order = order;
    this.#reader = new JournalReader(order.path);
    this.#repeats = new Repeats(order.session);
    this.#cursor = order.cursor;
    this.#highest = order.highest;
  }

  /** Undefined when nothing whole is there, or damage is: the log's own thread knows what to do about it. */
  next(): PreparedWindow | undefined {
    const { records, damage, cursor } = this.#reader.read(this.#cursor, false);
    if (cursor === this.#cursor || damage.length > 0) return undefined;
    const forget = this.#templates.size >= most;
    if (forget) this.#templates.clear();
    this.#fresh = [];
    const [from, highest] = [this.#cursor, this.#highest];
    const packer = new WindowPacker();
    this.#pack(packer, records);
    this.#cursor = cursor;
    return packer.window({ from, to: cursor, highest, templates: this.#fresh, forget });
  }

  close(): void {
    this.#reader.close();
  }

  #pack(packer: WindowPacker, texts: readonly string[]): void {
    const { read, late } = this.#readAll(texts);
    for (const taken of sortOut(
      (each) => each,
      read,
      this.#highest,
      () => 'absent',
    )) {
      if (taken.as === 'strange') packer.strange();
      else if (taken.as === 'repeat') packer.repeat(taken.record.seq);
      else this.#packRecord(packer, taken);
    }
    for (const text of late) packer.late(text);
  }

  /** Numbers that are not new may be in the log already. */
  #readAll(texts: readonly string[]): { read: (ReadRecord | undefined)[]; late: string[] } {
    const read: (ReadRecord | undefined)[] = [];
    const late: string[] = [];
    for (const text of texts) {
      const found = this.#repeats.read(text);
      if (found !== undefined && found.record.seq <= this.#highest) late.push(text);
      else read.push(found);
    }
    return { read, late };
  }

  #packRecord(packer: WindowPacker, given: ReadRecord): void {
    const { context } = this.#order;
    const { record, template } = keptParts(given, this.#redact, context);
    const { seq, time, disposition, outcome, count = 1 } = record;
    this.#highest = Math.max(this.#highest, seq);
    const known = template && this.#known(template);
    const varying = varyingOf(record);
    const text = template === undefined ? eventText(record, context, 'record') : varying.own;
    packer.record({
      seq,
      time,
      settled: outcome !== undefined,
      count,
      class: classOf(record),
      disposition,
      text,
      template: known?.id ?? 0,
      leaf: known?.leaf(varying) ?? leafHash(text),
      terms: termsOf(record),
    });
  }

  readonly #redact = ({ record, alike }: ReadRecord): SessionRecord => {
    const { policy, key } = this.#order.redaction;
    if (alike?.keptUnder === policy && keepsObject(record, policy)) return record;
    const kept = redact(record, policy, key);
    if (alike !== undefined && kept === record) alike.keptUnder = policy;
    return kept;
  };

  #known(template: EventTemplate): KnownTemplate {
    const known = this.#templates.get(template);
    if (known !== undefined) return known;
    const id = this.#nextId;
    this.#nextId += 1;
    const made = { id, leaf: leavesOf(template) };
    this.#templates.set(template, made);
    this.#fresh.push([id, template.pieces]);
    return made;
  }
}

const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);

/** Leaf hashes of events that are made of it. */
function leavesOf(template: EventTemplate): KnownTemplate['leaf'] {
  const { pieces, first, middle, last } = template;
  if (!pieces.every(isAscii)) return (varying) => leafHash(template.text(varying));
  const [before, after] = [Buffer.from(first), Buffer.from(last)];
  return (varying) => leafHashBetween(before, middle(varying), after);
}
