// Aligned columns for people.
import { printable } from './printable.ts';

/** Terminal cells of printable text; wide East Asian characters and emoji count two. */
export function cells(text: string): number {
  let width = 0;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    width += /\p{Mark}/u.test(char) ? 0 : isWide(code) ? 2 : 1;
  }
  return width;
}

const isWide = (code: number): boolean =>
  (code >= 0x1100 && code <= 0x115f) ||
  (code >= 0x2e80 && code <= 0xa4cf) ||
  (code >= 0xac00 && code <= 0xd7a3) ||
  (code >= 0xf900 && code <= 0xfaff) ||
  (code >= 0xfe30 && code <= 0xfe6f) ||
  (code >= 0xff00 && code <= 0xff60) ||
  (code >= 0x1f300 && code <= 0x1faff) ||
  (code >= 0x20000 && code <= 0x3fffd);

/** Paints one cell after its width is known; `column` counts from 0, `row` from 0 without the heading. */
export type Paint = (text: string, column: number, row: number) => string;

/**
 * Rows as lines: every column as wide as its widest cell, two spaces between, nothing after the last.
 * An empty heading means no heading line.
 */
export function columns(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  paint?: Paint,
): string[] {
  const safe = rows.map((row) => row.map(printable));
  const all = heading.length === 0 ? safe : [heading, ...safe];
  const widths: number[] = [];
  for (const row of all) {
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cells(cell))));
  }
  const line = (row: readonly string[], painted: (cell: string, column: number) => string): string =>
    row
      .map((cell, index) => {
        const pad = index === row.length - 1 ? '' : ' '.repeat((widths[index] ?? 0) - cells(cell));
        return painted(cell, index) + pad;
      })
      .join('  ')
      .trimEnd();
  const head = heading.length === 0 ? [] : [line(heading, (cell) => cell)];
  return [
    ...head,
    ...safe.map((row, index) => line(row, (cell, column) => paint?.(cell, column, index) ?? cell)),
  ];
}
