// Quantities as settings write them: `64MiB`, `1d`.

const sizes: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
]);
const spans: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const scaled = (value: unknown, units: ReadonlyMap<string, number>): number | undefined => {
  const match = typeof value === 'string' ? /^(\d{1,6})([A-Za-z]+)$/.exec(value) : null;
  const unit = units.get(match?.[2] ?? '');
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
};

/** Bytes, or undefined when it is no size. */
export const bytesOf = (value: unknown): number | undefined => scaled(value, sizes);

/** Milliseconds, or undefined when it is no span of time. */
export const millisecondsOf = (value: unknown): number | undefined => scaled(value, spans);
