// Reads plain values strictly: every key is known, every text bounded, or the whole is refused.
import { TokenRefused } from './refusal.ts';

export type Fields = ReadonlyMap<string, unknown>;

const wrong = (what: string): TokenRefused => new TokenRefused('schema', what);

/** The entries of a plain object that has no other keys than these. */
export function fieldsOf(value: unknown, what: string, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(`${what} is not an object`);
  const entries = new Map(Object.entries(value));
  for (const key of entries.keys())
    if (!known.includes(key)) throw wrong(`${what} has an unknown key ${JSON.stringify(key.slice(0, 40))}`);
  return entries;
}

/** Printable, of at most `max` characters, and of this form. */
export function textOf(from: Fields, key: string, max: number, form = /^[^\p{Cc}]+$/u): string {
  const value = from.get(key);
  if (typeof value !== 'string' || value === '' || value.length > max || !form.test(value))
    throw wrong(`${key} is not a text of the form that is asked for, of at most ${max} characters`);
  return value;
}

export function integerOf(from: Fields, key: string, min: number, max: number): number {
  const value = from.get(key);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
    throw wrong(`${key} is not a whole number from ${min} to ${max}`);
  return value;
}

export function listOf(from: Fields, key: string, max: number): readonly unknown[] {
  const value = from.get(key);
  if (!Array.isArray(value) || value.length === 0 || value.length > max)
    throw wrong(`${key} is not a list of 1 to ${max} entries`);
  return value;
}

export function oneOf<T extends string>(from: Fields, key: string, words: readonly T[]): T {
  const value = from.get(key);
  const found = words.find((word) => word === value);
  if (found === undefined) throw wrong(`${key} is not one of ${words.join(', ')}`);
  return found;
}

/** A list without repetition of these words, sorted. */
export function wordsOf<T extends string>(from: Fields, key: string, words: readonly T[]): readonly T[] {
  const given = listOf(from, key, words.length);
  const found = words.filter((word) => given.includes(word));
  if (found.length !== given.length)
    throw wrong(`${key} has a word that is not one of ${words.join(', ')}, or one twice`);
  return found.toSorted();
}
