// Follow mode shows records one by one as long as people can read them. What comes faster is counted, and told in one
// line a second: how many, what was done most, and by which program. A denial is never among those: each is shown, and
// the same one again in the same second is counted with it.
import type { SessionRecord } from '../model/mod.ts';
import { programName, withoutEnvelopes } from './record.ts';
import { clockText } from './text/time.ts';
import { printable } from './text/printable.ts';

/** Records shown in one second, beside denials. */
export const shownASecond = 50;
/** Sorts of record that a summary names. */
const named = 3;
/** Sorts that are counted in one second; those after them are counted together. */
const mostSorts = 1000;

const isDenial = ({ disposition }: SessionRecord): boolean =>
  disposition === 'denied' || disposition === 'would-deny';

const denialKey = ({
  session,
  operation,
  object,
  object2 = '',
  disposition,
  process,
  rule,
}: SessionRecord): string =>
  JSON.stringify([session, programName(process), operation, object, object2, disposition, rule?.id]);

interface Repeated {
  /** The one that was shown. */
  readonly record: SessionRecord;
  /** Those after it. */
  again: number;
}

export class TailPace {
  readonly #now: () => number;
  #second = 0;
  #shown = 0;
  #counted = 0;
  readonly #sorts = new Map<string, number>();
  readonly #denials = new Map<string, Repeated>();

  /** `now`: Unix ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether to show this record, after the summary of the second before, when there is one. */
  take(record: SessionRecord): { readonly summary: readonly string[]; readonly show: boolean } {
    const summary = this.due();
    return { summary, show: isDenial(record) ? this.#takeDenial(record) : this.#takeOther(record) };
  }

  /** What is to be said of a second that is over; nothing when all of it was shown. */
  due(): readonly string[] {
    const second = Math.floor(this.#now() / 1000);
    if (second === this.#second) return [];
    const time = clockText(this.#second * 1000);
    const lines = [
      ...[...this.#denials.values()].filter(({ again }) => again > 0).map((one) => repeatedText(time, one)),
      ...(this.#counted === 0 ? [] : [this.#text(time)]),
    ];
    this.#second = second;
    this.#shown = this.#counted = 0;
    this.#sorts.clear();
    this.#denials.clear();
    return lines;
  }

  #takeDenial(record: SessionRecord): boolean {
    const key = denialKey(record);
    const known = this.#denials.get(key);
    if (known !== undefined) known.again += 1;
    else this.#denials.set(key, { record, again: 0 });
    return known === undefined;
  }

  #takeOther(record: SessionRecord): boolean {
    if (this.#shown >= shownASecond) return this.#count(record);
    this.#shown += 1;
    return true;
  }

  #count(record: SessionRecord): false {
    this.#counted += 1;
    const sort = `${programName(record.process)} ${record.operation}`;
    const key = this.#sorts.size < mostSorts || this.#sorts.has(sort) ? sort : 'others';
    this.#sorts.set(key, (this.#sorts.get(key) ?? 0) + 1);
    return false;
  }

  #text(time: string): string {
    const most = [...this.#sorts].sort(([, a], [, b]) => b - a).slice(0, named);
    const listed = most
      .map(([sort, count]) => `${printable(sort)} ×${count.toLocaleString('en')}`)
      .join(', ');
    const more = this.#sorts.size > named ? ', …' : '';
    return `${time}  ${this.#counted.toLocaleString('en')} more in this second: ${listed}${more}`;
  }
}

function repeatedText(time: string, { record, again }: Repeated): string {
  const { id, disposition, operation, object, process } = withoutEnvelopes(record);
  const what = printable(`${programName(process)} ${operation} ${object}`);
  return `${time}  ${printable(id)} ${disposition} ×${again.toLocaleString('en')} again: ${what}`;
}
