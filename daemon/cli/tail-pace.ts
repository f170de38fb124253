// Follow mode shows records one by one as long as people can read them. What comes faster is counted, and told in one
// line a second: how many, what was done most, and by which program.
import type { SessionRecord } from '../model/mod.ts';
import { programName } from './record.ts';
import { clockText } from './text/time.ts';
import { printable } from './text/printable.ts';

/** Records shown in one second; denials have as many places of their own. */
export const shownASecond = 50;
/** Sorts of record that a summary names. */
const named = 3;
/** Sorts that are counted in one second; those after them are counted together. */
const mostSorts = 1000;

const isDenial = ({ disposition }: SessionRecord): boolean =>
  disposition === 'denied' || disposition === 'would-deny';

export class TailPace {
  readonly #now: () => number;
  #second = 0;
  #shown = 0;
  #deniedShown = 0;
  #counted = 0;
  #denied = 0;
  readonly #sorts = new Map<string, number>();

  /** `now`: Unix ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether to show this record, after the summary of the second before, when there is one. */
  take(record: SessionRecord): { readonly summary: string | undefined; readonly show: boolean } {
    const summary = this.due();
    return { summary, show: isDenial(record) ? this.#takeDenial(record) : this.#takeOther(record) };
  }

  /** The summary of a second that is over; undefined when all of it was shown. */
  due(): string | undefined {
    const second = Math.floor(this.#now() / 1000);
    if (second === this.#second) return undefined;
    const text = this.#counted === 0 ? undefined : this.#text();
    this.#second = second;
    this.#shown = this.#deniedShown = this.#counted = this.#denied = 0;
    this.#sorts.clear();
    return text;
  }

  #takeDenial(record: SessionRecord): boolean {
    if (this.#deniedShown < shownASecond) {
      this.#deniedShown += 1;
      return true;
    }
    this.#denied += 1;
    return this.#count(record);
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

  #text(): string {
    const most = [...this.#sorts].sort(([, a], [, b]) => b - a).slice(0, named);
    const listed = most
      .map(([sort, count]) => `${printable(sort)} ×${count.toLocaleString('en')}`)
      .join(', ');
    const more = this.#sorts.size > named ? ', …' : '';
    const denied = this.#denied === 0 ? '' : `, ${this.#denied.toLocaleString('en')} of them denied`;
    const count = this.#counted.toLocaleString('en');
    return `${clockText(this.#second * 1000)}  ${count} more in this second${denied}: ${listed}${more}`;
  }
}
