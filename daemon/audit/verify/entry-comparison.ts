// Whether entries say what records of a journal said. Of most, record and event are put together of the same parts: parts
// that once said the same, say the same of every number, time, object and process.
import type { SessionRecord } from '../../model/mod.ts';
import { ownOf } from '../../ocsf/mod.ts';
import type { Database } from '../database.ts';
import type { ReadRecord } from '../repeats.ts';
import { StoredEvents } from '../stored-events.ts';
import type { StoredRow } from '../stored-events.ts';
import { sameRecord } from './same-record.ts';

/** Pairs that are remembered; when there are more, all are forgotten. */
const most = 4096;
/** Another record of the same parts: what two say alike was not said by chance. */
const other = {
  seq: 4_503_599_627_370_431,
  time: 4_398_046_511_017,
  object: '/cordon-verify-5f1c9be2/name',
  pid: 4_503_599_627_370_433,
};

const otherRow = (record: SessionRecord, [stream, , , , template]: StoredRow): StoredRow => [
  stream,
  record.seq,
  record.time,
  ownOf(record),
  template,
];

type Alike = NonNullable<ReadRecord['alike']>;

export class EntryComparison {
  readonly #session: string;
  readonly #key: Uint8Array | undefined;
  readonly #events: StoredEvents;
  /** By what the records share: templates, and what events that are made of them say otherwise ('': nothing). */
  #pairs = new Map<Alike, Map<number, string>>();
  #count = 0;

  constructor(db: Database, session: string, key: Uint8Array | undefined) {
    this.#session = session;
    this.#key = key;
    this.#events = new StoredEvents(db);
  }

  /** Names of the fields that differ; undefined: it is the same, or the event was pruned. */
  differs({ record, alike }: ReadRecord, row: StoredRow): string | undefined {
    const [, , time, event, template] = row;
    if (event === null) return undefined;
    if (alike === undefined || template === null || time !== record.time || event !== ownOf(record))
      return this.#compare(record, row);
    // Times that are whole are said otherwise than others.
    const kind = Number.isInteger(time) ? template : -template;
    const known = this.#pairs.get(alike)?.get(kind);
    if (known !== undefined) return known === '' ? undefined : known;
    const differs = this.#compare(record, row);
    const another = this.#other(record);
    if (differs === this.#compare(another, otherRow(another, row)))
      this.#remember(alike, kind, differs ?? '');
    return differs;
  }

  #compare(record: SessionRecord, row: StoredRow): string | undefined {
    return sameRecord(record, this.#events.textOfRow(row) ?? '', this.#key);
  }

  #other(record: SessionRecord): SessionRecord {
    const { kind, process } = record;
    const time = other.time + (Number.isInteger(record.time) ? 0 : 0.25);
    const { pid, ...rest } = other;
    const changed = { ...record, ...rest, id: `${this.#session}-${other.seq}`, time };
    return kind === 'exec' && process !== undefined ? { ...changed, process: { ...process, pid } } : changed;
  }

  #remember(alike: Alike, template: number, differs: string): void {
    if (this.#count >= most) {
      this.#pairs = new Map();
      this.#count = 0;
    }
    this.#count += 1;
    const pairs = this.#pairs.get(alike) ?? new Map<number, string>();
    this.#pairs.set(alike, pairs.set(template, differs));
  }
}
