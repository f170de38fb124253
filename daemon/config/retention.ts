// `records.retention` and `records.witnesses` of the settings.
import type { RetentionSettings } from '../model/mod.ts';
import { bytesOf, millisecondsOf } from './units.ts';
import { invalid } from './yaml-document.ts';
import type { Entry } from './yaml-document.ts';

/** As the events' classes are called; what has none of its own falls under `default`. */
const classes: ReadonlySet<string> = new Set([
  ...['default', 'denial', 'mutation', 'exec', 'network', 'read', 'admin', 'session', 'finding', 'token'],
]);
/** A log smaller than this has no room for its own hashes. */
const leastSize = 16 * 2 ** 20;

type Part = (file: string, entry: Entry) => Partial<RetentionSettings>;

const parts: Readonly<Record<string, Part>> = {
  keep: (file, entry) => ({ keep: spansOf(file, entry) }),
  size: (file, { key, value, line }) => {
    const size = bytesOf(value);
    if (size === undefined || size < leastSize)
      throw invalid(
        file,
        line,
        `records.retention.${key}`,
        'expected a size of at least 16MiB, such as 4GiB',
      );
    return { size };
  },
  'when-full': (file, { key, value, line }) => {
    if (value !== 'deny' && value !== 'overwrite')
      throw invalid(file, line, `records.retention.${key}`, 'expected deny or overwrite');
    return { whenFull: value };
  },
};

function mapping(file: string, path: string, entry: Entry): Entry[] {
  const entries = entry.entries();
  if (entries === undefined) throw invalid(file, entry.line, path, 'expected a mapping');
  return entries;
}

function spansOf(file: string, entry: Entry): Record<string, number> {
  const path = 'records.retention.keep';
  return Object.fromEntries(
    mapping(file, path, entry).map(({ key, value, line }) => {
      const span = millisecondsOf(value);
      if (!classes.has(key))
        throw invalid(file, line, `${path}.${key}`, `no such class; there are ${[...classes].join(', ')}`);
      if (span === undefined || span === 0)
        throw invalid(file, line, `${path}.${key}`, 'expected a span of time such as 30d');
      return [key, span];
    }),
  );
}

/** Every error names file, line and key. */
export function parseRetention(file: string, entry: Entry): RetentionSettings {
  const path = 'records.retention';
  return mapping(file, path, entry).reduce<RetentionSettings>(
    (settings, one) => {
      const part = Object.hasOwn(parts, one.key) ? parts[one.key] : undefined;
      if (part === undefined)
        throw invalid(
          file,
          one.line,
          `${path}.${one.key}`,
          `no such setting; there are ${Object.keys(parts).join(', ')}`,
        );
      return { ...settings, ...part(file, one) };
    },
    { keep: {}, whenFull: 'deny' },
  );
}

export function parseWitnesses(file: string, { value, line }: Entry): string[] {
  const isKey = (key: unknown): key is string =>
    typeof key === 'string' && /^[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$/.test(key);
  if (Array.isArray(value) && value.every(isKey)) return value;
  throw invalid(file, line, 'records.witnesses', 'expected a list of verifier keys (C2SP signed-note)');
}
