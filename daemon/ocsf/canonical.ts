// The JSON Canonicalization Scheme (RFC 8785): the one byte form of a value. Hashes and signatures are of these bytes.

export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined };

/** Names of members are compared as UTF-16 code units (RFC 8785, section 3.2.3): what `<` does with strings. */
const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function number(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`${value} has no JSON form`);
  return String(value === 0 ? 0 : value);
}

/** A string as JSON. Throws on a lone surrogate, which has no UTF-8 form. */
export function quote(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('a string with a lone surrogate has no UTF-8 form');
  return JSON.stringify(text);
}

/**
 * RFC 8785 text of a value. Members that are undefined are left out. Throws TypeError on what JSON cannot say: NaN,
 * infinities, lone surrogates, undefined in a list, functions, symbols, bigints.
 */
export function canonical(value: JsonValue): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      return number(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null ? 'null' : composite(value);
    default:
      throw new TypeError(`a ${typeof value} has no JSON form`);
  }
}

function composite(value: readonly JsonValue[] | Readonly<Record<string, JsonValue | undefined>>): string {
  if (isList(value)) return `[${Array.from(value, canonical).join(',')}]`;
  const members = Object.keys(value)
    .sort(byCodeUnits)
    .map((key) => [key, value[key]] as const)
    .filter((member): member is readonly [string, JsonValue] => member[1] !== undefined);
  return `{${members.map(([key, each]) => `${quote(key)}:${canonical(each)}`).join(',')}}`;
}

const isList = (value: object): value is readonly JsonValue[] => Array.isArray(value);
