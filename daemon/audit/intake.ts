// What the frames of a journal's window are to the log: records, outcomes of earlier ones, repetitions, strangers.
// A record and its outcome that come in one window are one entry.
import type { SessionRecord } from '../model/mod.ts';
import type { ReadRecord } from './repeats.ts';

export type Taken =
  ({ readonly as: 'record' | 'outcome' | 'repeat' } & ReadRecord) | { readonly as: 'strange' };

/** What the log has of a number. */
export type KnownState = 'absent' | 'open' | 'settled';

const stranger: Taken = { as: 'strange' };

/** `known` is asked for numbers up to `highest` only: those after it are new. In the order of arrival. */
export function sortOut<T>(
  read: (text: T) => ReadRecord | undefined,
  texts: readonly T[],
  highest: number,
  known: (seq: number) => KnownState,
): Taken[] {
  const taken: Taken[] = [];
  const places = new Map<number, number>();
  for (const text of texts) {
    const found = read(text);
    if (found === undefined) {
      taken.push(stranger);
      continue;
    }
    const { record, alike } = found;
    const { seq, outcome } = record;
    const at = places.get(seq);
    const before = at === undefined ? undefined : taken[at];
    if (before === undefined || at === undefined || before.as === 'strange') {
      const as = entryOf(record, seq > highest ? 'absent' : known(seq));
      if (as !== 'repeat') places.set(seq, taken.length);
      taken.push({ as, record, alike });
    } else if (before.as === 'record' && before.record.outcome === undefined && outcome !== undefined)
      taken[at] = { as: 'record', record, alike };
    else taken.push({ as: 'repeat', record });
  }
  return taken;
}

function entryOf({ outcome }: SessionRecord, state: KnownState): 'record' | 'outcome' | 'repeat' {
  if (state === 'absent') return 'record';
  return state === 'open' && outcome !== undefined ? 'outcome' : 'repeat';
}
