// Checks of a verdict, for people.
import type { Check } from '../../verifier/mod.ts';
import { columns } from '../text/columns.ts';
import { printable } from '../text/printable.ts';
import type { VerbContext } from '../verb.ts';

export const checkLines = (checks: readonly Check[], { colours }: VerbContext): string[] =>
  columns(
    [],
    checks.map(({ name, outcome, reason }) => [outcome, name, printable(reason)]),
    (cell, column, row) => {
      const outcome = checks[row]?.outcome;
      if (column !== 0) return cell;
      return outcome === 'fail'
        ? colours.red(cell)
        : outcome === 'success'
          ? colours.green(cell)
          : colours.yellow(cell);
    },
  );

/** Whatever a verifier sent as checks: shown, never trusted. */
export function checksIn(value: unknown): Check[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((each: unknown) => {
    const { name, outcome, reason } = (each ?? {}) as Record<string, unknown>;
    return typeof name === 'string' && typeof outcome === 'string' && typeof reason === 'string'
      ? [{ name, outcome, reason } as Check]
      : [];
  });
}
