// Sizes, shares and times as profiles write them.
import { invalid } from './source.ts';
import type { Place } from './source.ts';

const sizes: ReadonlyMap<string, number> = new Map([
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
]);
const times: ReadonlyMap<string, number> = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
  ['d', 86400],
]);

function scaled(text: string, units: ReadonlyMap<string, number>, place: Place, example: string): number {
  const match = /^(\d{1,9})([A-Za-z]+)$/.exec(text);
  const unit = match && units.get(match[2] ?? '');
  if (!unit)
    throw invalid(
      place,
      `${text} is not understood`,
      `write a number and one of ${[...units.keys()].join(', ')}, such as ${example}`,
    );
  return Number(match[1]) * unit;
}

/** Bytes; at least 16 MiB, for less starts nothing. */
export function parseMemory(text: string, place: Place): number {
  const bytes = scaled(text, sizes, place, '4GiB');
  if (bytes < 16 * 2 ** 20)
    throw invalid(place, `${text} is less than 16MiB`, 'no program starts in that: write more');
  return bytes;
}

/** Seconds; 0 = no limit. */
export const parseWall = (text: string, place: Place): number => scaled(text, times, place, '8h');

/** Hundredths of a CPU; 0 = no limit. */
export function parseCpu(text: string, place: Place): number {
  const match = /^(\d{1,6})%$/.exec(text);
  if (!match) throw invalid(place, `${text} is not understood`, 'write a share of one CPU, such as 200%');
  return Number(match[1]);
}
