// Documents that are signed or hashed: one text for one value (RFC 8785, for the values that occur: no fractions), and
// readers that accept nothing they were not told of.
import { CordonError } from '../model/mod.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What was received is not what it must be. `where` names the field. */
export const malformed = (where: string, what: string): CordonError =>
  new CordonError('protocol', `${where}: ${what}`, { key: where });

export function canonical(value: Json): string {
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw malformed('number', `${value} is no whole number`);
  if (typeof value === 'string' && !value.isWellFormed()) throw malformed('text', 'a lone surrogate');
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonical).join(',')}]`;
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`).join(',')}}`;
}

const isList = (value: unknown): value is readonly Json[] => Array.isArray(value);

export function parsed(where: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed(where, 'is not JSON');
  }
}

/** Reads `value` as an object: every known key once, no other. */
export class Fields {
  readonly #where: string;
  readonly #left: Map<string, unknown>;

  constructor(where: string, value: unknown) {
    this.#where = where;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw malformed(where, 'is not an object');
    this.#left = new Map(Object.entries(value));
  }

  #at(key: string): string {
    return `${this.#where}.${key}`;
  }

  has(key: string): boolean {
    return this.#left.has(key);
  }

  take(key: string): unknown {
    const value = this.#left.get(key);
    this.#left.delete(key);
    if (value === undefined) throw malformed(this.#at(key), 'is missing');
    return value;
  }

  text(key: string, longest = 1024): string {
    const value = this.take(key);
    if (typeof value !== 'string' || value.length > longest || !value.isWellFormed())
      throw malformed(this.#at(key), `is not text of at most ${longest} characters`);
    return value;
  }

  whole(key: string): number {
    const value = this.take(key);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw malformed(this.#at(key), 'is not a whole number');
    return value;
  }

  flag(key: string): boolean {
    const value = this.take(key);
    if (typeof value !== 'boolean') throw malformed(this.#at(key), 'is neither true nor false');
    return value;
  }

  one<T extends string>(key: string, of: readonly T[]): T {
    const value = this.take(key);
    const found = of.find((each) => each === value);
    if (found === undefined) throw malformed(this.#at(key), `is none of ${of.join(', ')}`);
    return found;
  }

  hex(key: string, longest = 128): string {
    const value = this.text(key, longest);
    if (!/^(?:[0-9a-f]{2})*$/.test(value)) throw malformed(this.#at(key), 'is not hexadecimal');
    return value;
  }

  bytes(key: string, longest = 8192): Buffer {
    return base64(this.#at(key), this.take(key), longest);
  }

  list<T>(key: string, most: number, read: (where: string, value: unknown) => T): T[] {
    const value = this.take(key);
    if (!Array.isArray(value) || value.length > most)
      throw malformed(this.#at(key), `is not a list of at most ${most}`);
    return value.map((each: unknown, i) => read(`${this.#at(key)}[${i}]`, each));
  }

  object(key: string): Fields {
    return new Fields(this.#at(key), this.take(key));
  }

  entries(): [string, unknown][] {
    const all = [...this.#left];
    this.#left.clear();
    return all;
  }

  /** Nothing may be left that nobody asked for. */
  end(): void {
    const [extra] = this.#left.keys();
    if (extra !== undefined) throw malformed(this.#at(extra.slice(0, 60)), 'is not known');
  }
}

export function base64(where: string, value: unknown, longest: number): Buffer {
  if (typeof value !== 'string' || value.length > Math.ceil(longest / 3) * 4)
    throw malformed(where, `is not base64 of at most ${longest} bytes`);
  const bytes = Buffer.from(value, 'base64');
  if (bytes.toString('base64') !== value) throw malformed(where, 'is not base64');
  return bytes;
}

export const text =
  (longest: number) =>
  (where: string, value: unknown): string => {
    if (typeof value !== 'string' || value.length > longest || !value.isWellFormed())
      throw malformed(where, `is not text of at most ${longest} characters`);
    return value;
  };
