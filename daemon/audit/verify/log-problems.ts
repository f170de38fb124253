// From what the stretches of a log say to what is wrong with the log.
import { CompactRange, explainBreaks, foldRoots } from '../../proof/mod.ts';
import type { Hash, IndexRange } from '../../proof/mod.ts';
import type { LogRow } from '../log-start.ts';
import type { Problem, ProblemKind } from './result.ts';
import type { StretchResult } from './stretch.ts';

export interface LogFacts {
  readonly row: LogRow;
  readonly results: readonly StretchResult[];
  /** Ranges of positions that gap records speak of. */
  readonly gaps: readonly IndexRange[];
  /** Entries that should be there and are not, whatever their numbers. */
  readonly missing: number;
}

const plural = (count: number, what: string): string =>
  count === 1 ? `1 ${what}` : `${count} ${what.endsWith('y') ? `${what.slice(0, -1)}ies` : `${what}s`}`;

const sentences: Readonly<Record<'edit' | 'deletion' | 'insertion' | 'reordering', string>> = {
  edit: 'the chain does not go on from the first to the last of these: one of them was changed',
  deletion: 'the chain does not go on: entries between these were removed, and those behind numbered anew',
  insertion: 'the chain goes on without these: they were put in later',
  reordering: 'these are not in the order in which they were written',
};

/** Size of the tree to its root, as the entries have it. */
export function rootsAt(results: readonly StretchResult[]): Map<number, Hash> {
  const roots = new Map<number, Hash>();
  const whole = new CompactRange();
  for (const result of results) {
    for (const head of result.heads) roots.set(head.size, foldRoots([...whole.roots, ...head.roots]));
    // Whole segments have one root; the last may have more, and nothing comes after it.
    const [root] = result.roots;
    if (root !== undefined) whole.append(root);
  }
  return roots;
}

export function logProblems({ row, results, gaps, missing }: LogFacts): Problem[] {
  const { origin, base, size } = row;
  const problem = (kind: ProblemKind, { from, to }: IndexRange, detail: string): Problem => ({
    kind,
    origin,
    from: base + from,
    to: base + to,
    detail,
  });
  const edits = results
    .flatMap((result) => result.edits)
    .map((at) => problem('edit', { from: at, to: at }, 'the event is another than its hash says'));
  const readable = results.filter(({ damage }) => damage === undefined);
  const holes = joined(readable.flatMap((result) => result.holes)).map((hole) => {
    const what = plural(hole.to - hole.from + 1, 'entry');
    return hole.to === size - 1
      ? problem('truncation', hole, `${what} at the end are missing`)
      : problem('deletion', hole, `${what} are missing`);
  });
  const damage = results.flatMap(({ holes: unread, damage: why }) =>
    why === undefined ? [] : unread.map((hole) => problem('damage', hole, `the file cannot be read: ${why}`)),
  );
  const breaks = results.flatMap((result) => result.breaks);
  const known = [...edits, ...holes, ...damage];
  const chain = explainBreaks(breaks, missing)
    .map((each) => problem(each.kind, each, sentences[each.kind]))
    .filter((each) => each.kind !== 'edit' || !known.some((other) => touches(other, each)));
  // Behind entries that were put in or taken out by numbering anew, every tile is another.
  const shifted = Math.min(
    Infinity,
    ...chain.filter(({ kind }) => kind === 'insertion' || kind === 'deletion').map(({ from }) => from),
  );
  const tiles = results
    .flatMap((result) => result.tiles)
    .map((at) =>
      problem('edit', { from: at, to: at + 255 }, 'the leaves of this tile have another root than was kept'),
    )
    .filter((each) => each.to < shifted && ![...known, ...chain].some((other) => touches(other, each)));
  const pruned = joined(results.flatMap((result) => result.pruned));
  const unsaid = without(pruned, gaps, base).map((range) =>
    problem('deletion', range, 'these events are gone and no gap record says so'),
  );
  return [...known, ...chain, ...tiles, ...unsaid].sort((a, b) => a.from - b.from);
}

const touches = (a: IndexRange, b: IndexRange): boolean => a.from <= b.to && b.from <= a.to;

function joined(ranges: readonly IndexRange[]): IndexRange[] {
  const out: { from: number; to: number }[] = [];
  for (const { from, to } of ranges) {
    const last = out.at(-1);
    if (last !== undefined && last.to >= from - 1) last.to = Math.max(last.to, to);
    else out.push({ from, to });
  }
  return out;
}

/** What of the ranges (ascending) none of the others covers, which are `base` further. */
function without(ranges: readonly IndexRange[], others: readonly IndexRange[], base: number): IndexRange[] {
  const covers = joined(
    others
      .map(({ from, to }) => ({ from: from - base, to: to - base }))
      .sort((a, b) => a.from - b.from || a.to - b.to),
  );
  const left: IndexRange[] = [];
  let next = 0;
  for (const { from, to } of ranges) {
    let at = from;
    while ((covers[next]?.to ?? Infinity) < from) next += 1;
    for (let i = next; at <= to; i++) {
      const cover = covers[i];
      if (cover === undefined || cover.from > to) {
        left.push({ from: at, to });
        break;
      }
      if (cover.from > at) left.push({ from: at, to: cover.from - 1 });
      at = Math.max(at, cover.to + 1);
    }
  }
  return left;
}
