// The key `records` of the settings: what becomes of records once they are kept.
import type { RecordsSettings } from '../model/mod.ts';
import { parseRedaction } from './redaction.ts';
import { parseRetention, parseWitnesses } from './retention.ts';
import { parseSinks } from './sinks.ts';
import { invalid } from './yaml-document.ts';
import type { Entry } from './yaml-document.ts';

/** One row for each key below `records`. */
const parts: Readonly<Record<string, (file: string, entry: Entry) => Partial<RecordsSettings>>> = {
  redact: (file, entry) => ({ redact: parseRedaction(file, entry) }),
  sinks: (file, entry) => ({ sinks: parseSinks(file, entry) }),
  retention: (file, entry) => ({ retention: parseRetention(file, entry) }),
  witnesses: (file, entry) => ({ witnesses: parseWitnesses(file, entry) }),
};

const none: RecordsSettings = { sinks: [] };

export function parseRecords(file: string, entry: Entry): RecordsSettings {
  const entries = entry.entries();
  if (entries === undefined) throw invalid(file, entry.line, entry.key, 'expected a mapping');
  return entries.reduce<RecordsSettings>((settings, one) => {
    const part = Object.hasOwn(parts, one.key) ? parts[one.key] : undefined;
    if (part === undefined)
      throw invalid(
        file,
        one.line,
        `${entry.key}.${one.key}`,
        `no such setting; there are ${Object.keys(parts).join(', ')}`,
      );
    return { ...settings, ...part(file, one) };
  }, none);
}
