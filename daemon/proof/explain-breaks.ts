// What was done to a log, from the places where its chain does not hold. An entry carries the chain up to it, so that
// for an entry in a wrong place its right one can often be found: behind the entry whose chain its own goes on from.
import { chainHash } from './hash.ts';
import type { ChainBreak, IndexRange } from './segment.ts';

export type BreakKind = 'edit' | 'deletion' | 'insertion' | 'reordering';
export interface ExplainedBreak extends IndexRange {
  readonly kind: BreakKind;
}

/** Beyond so many, pairs are not compared. */
const most = 300;

/** `fewer`: entries that are missing though their numbers are not (those behind were numbered anew). */
export function explainBreaks(breaks: readonly ChainBreak[], fewer: number): ExplainedBreak[] {
  const looked = breaks.slice(0, most);
  const places = looked.map((each) => rightPlace(each, looked));
  const moved = reorderings(looked, places);
  const put = insertions(looked, places).filter((each) => !moved.some((other) => isIn(each.to, other)));
  const rest = looked.filter(
    ({ index }, i) =>
      !(places[i] !== undefined && put.some(({ to }) => to === index - 1)) &&
      !put.some((each) => isIn(index, each)) &&
      !moved.some(({ from, to }) => isIn(index, { from, to: to + 1 })),
  );
  const unplaced = rest.map(({ index }): ExplainedBreak => {
    return { kind: fewer > 0 ? 'deletion' : 'edit', from: Math.max(0, index - 1), to: index };
  });
  return [...moved, ...put, ...unplaced].sort((a, b) => a.from - b.from);
}

const isIn = (index: number, { from, to }: IndexRange): boolean => from <= index && index <= to;

interface Place {
  /** The entry that this one goes on from. */
  readonly behind: number;
  /** Where this one belongs, as far as that is known: behind that, or as far as that one was moved itself. */
  readonly at: number;
}

/** Looked for among the entries around the breaks. */
function rightPlace({ index, leaf, chain }: ChainBreak, breaks: readonly ChainBreak[]): Place | undefined {
  for (const other of breaks) {
    if (other.index !== index && chainHash(other.chain, leaf) === chain)
      return { behind: other.index, at: other.index };
    const back = other.before.findIndex((before) => chainHash(before, leaf) === chain);
    if (back >= 0) return { behind: other.index - 1 - back, at: other.index - back };
  }
  return undefined;
}

/** Entries that go on from one before the one they stand behind. */
function insertions(breaks: readonly ChainBreak[], places: readonly (Place | undefined)[]): ExplainedBreak[] {
  return breaks.flatMap(({ index }, i): ExplainedBreak[] => {
    const behind = places[i]?.behind;
    if (behind === undefined || behind >= index - 1) return [];
    return [{ kind: 'insertion', from: behind + 1, to: index - 1 }];
  });
}

/** Entries that go on from a later one. Ranges that touch are one. */
function reorderings(
  breaks: readonly ChainBreak[],
  places: readonly (Place | undefined)[],
): ExplainedBreak[] {
  const found: { kind: 'reordering'; from: number; to: number }[] = [];
  breaks.forEach(({ index }, i) => {
    const place = places[i];
    if (place === undefined || place.behind <= index) return;
    const last = found.at(-1);
    if (last !== undefined && index <= last.to + 1) last.to = Math.max(last.to, place.at);
    else found.push({ kind: 'reordering', from: index, to: place.at });
  });
  return found;
}
