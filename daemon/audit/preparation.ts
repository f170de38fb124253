// Everything about a stretch of a journal that does not need the log: read, redacted, made events, hashed. Done by a
// thread of its own (intake-thread.ts), a window at a time, exactly as the log's own thread would.
import { classOf, redact, termsOf } from '../ocsf/mod.ts';
import type { EventContext, EventTemplate } from '../ocsf/mod.ts';
import type { SessionRecord } from '../model/mod.ts';
import { leafHash } from '../proof/mod.ts';
import { sortOut } from './intake.ts';
import { JournalReader } from './journal-reader.ts';
import { WindowPacker } from './prepared-window.ts';
import type { PreparedWindow } from './prepared-window.ts';
import type { PortableRedaction } from './redactor.ts';
import { keptEvent, Repeats } from './repeats.ts';
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

/** Templates that are known by number; when there are more, all are forgotten. */
const most = 2048;

export class Preparation {
  readonly #order: PreparationOrder;
  readonly #reader: JournalReader;
  readonly #repeats: Repeats;
  readonly #ids = new Map<EventTemplate, number>();
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
    const forget = this.#ids.size >= most;
    if (forget) this.#ids.clear();
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
    const { record, text, template } = keptEvent(given, this.#redact, context);
    const { seq, time, disposition, outcome, object, count = 1 } = record;
    this.#highest = Math.max(this.#highest, seq);
    packer.record({
      seq,
      time,
      settled: outcome !== undefined,
      count,
      class: classOf(record),
      disposition,
      text,
      template: template && [this.#idOf(template), object],
      leaf: leafHash(text),
      terms: termsOf(record),
    });
  }

  readonly #redact = (record: SessionRecord): SessionRecord => {
    const { policy, key } = this.#order.redaction;
    return redact(record, policy, key);
  };

  #idOf(template: EventTemplate): number {
    const known = this.#ids.get(template);
    if (known !== undefined) return known;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#ids.set(template, id);
    this.#fresh.push([id, template.pieces]);
    return id;
  }
}
