// The known word nearest to a misspelt one, for "did you mean".

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  const ranked = known
    .map((each) => ({ each, d: distance(word.toLowerCase(), each) }))
    .sort((a, b) => a.d - b.d);
  const first = ranked[0];
  return first && first.d <= Math.max(1, Math.floor(word.length / 3)) ? first.each : undefined;
}
