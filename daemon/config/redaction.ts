// `records.redact` of the settings: what of a record is kept, hashed, dropped or sealed.
import { keepAll } from '../model/mod.ts';
import type { RedactionPolicy, Treatment } from '../model/mod.ts';
import { invalid } from './yaml-document.ts';
import type { Entry } from './yaml-document.ts';

const treatments: ReadonlySet<unknown> = new Set<Treatment>(['keep', 'hash', 'drop', 'seal']);
const isTreatment = (value: unknown): value is Treatment => treatments.has(value);

const sorts: ReadonlySet<string> = new Set(Object.keys(keepAll));

/** What is not named is kept. */
export function parseRedaction(file: string, entry: Entry): RedactionPolicy {
  const path = `records.${entry.key}`;
  const entries = entry.entries();
  if (entries === undefined) throw invalid(file, entry.line, path, 'expected a mapping');
  return entries.reduce<RedactionPolicy>((policy, { key, value, line }) => {
    const at = `${path}.${key}`;
    if (!sorts.has(key)) throw invalid(file, line, at, `no such setting; there are ${[...sorts].join(', ')}`);
    if (!isTreatment(value)) throw invalid(file, line, at, 'expected keep, hash, drop or seal');
    return { ...policy, [key]: value };
  }, keepAll);
}
