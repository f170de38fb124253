// Contestants measured in turn, A B C A B C …, so that a slow minute of the machine is shared by all; medians; ratios
// to the first contestant of the same run.

export interface Contestant {
  readonly name: string;
  /** One measurement. Its unit is the table's. */
  readonly measure: () => Promise<number>;
}

export interface Result {
  readonly name: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Median over the baseline's median. */
  readonly ratio: number;
  readonly note?: string;
}

const quantile = (sorted: readonly number[], at: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? NaN;

/** A measurement that failed ends that contestant: its first error is its note. */
async function take(
  one: Contestant,
  times: number[],
  errors: Map<string, string>,
  keep: boolean,
): Promise<void> {
  if (errors.has(one.name)) return;
  try {
    const time = await one.measure();
    if (keep) times.push(time);
  } catch (error) {
    errors.set(one.name, error instanceof Error ? error.message.trim().slice(0, 300) : String(error));
  }
}

/** The first contestant is the baseline. The first round warms up and is thrown away. */
export async function contest(contestants: readonly Contestant[], rounds: number): Promise<Result[]> {
  const seats = contestants.map((one) => ({ one, times: new Array<number>() }));
  const errors = new Map<string, string>();
  for (let round = 0; round <= rounds; round++)
    for (const { one, times } of seats) await take(one, times, errors, round > 0);
  const sorted = seats.map(({ one, times }) => ({ name: one.name, all: times.sort((a, b) => a - b) }));
  const base = quantile(sorted[0]?.all ?? [], 0.5);
  return sorted.map(({ name, all }) => {
    const median = quantile(all, 0.5);
    const error = errors.get(name);
    const note = error === undefined ? {} : { note: `failed: ${error}` };
    return { name, median, low: quantile(all, 0.1), high: quantile(all, 0.9), ratio: median / base, ...note };
  });
}

export interface Table {
  readonly title: string;
  readonly unit: string;
  readonly rounds: number;
  readonly results: readonly Result[];
  /** What could not be measured, and why. */
  readonly missing?: readonly string[];
  readonly goal?: string;
}

const digits = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);

export function printTable(table: Table): void {
  console.log(`\n${table.title} (${table.unit}, median of ${table.rounds}, 10%..90%)`);
  const rows = table.results.map((one) => [
    one.name,
    digits(one.median),
    `${digits(one.low)}..${digits(one.high)}`,
    Number.isFinite(one.ratio) ? `${one.ratio.toFixed(2)}x` : '',
    one.note ?? '',
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) {
    const cells = row.map((cell, i) =>
      i === 0 || i === 4 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    );
    console.log(`  ${cells.join('  ').trimEnd()}`);
  }
  for (const reason of table.missing ?? []) console.log(`  not measured: ${reason}`);
  if (table.goal !== undefined) console.log(`  goal: ${table.goal}`);
}
