// Tables of expected verdicts in a directory: `<profile>.test.yaml`.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ProfileSource } from '../policy/mod.ts';
import { readSource } from './profiles.ts';

export const testTablesIn = (directory: string): ProfileSource[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.test.yaml') && !name.startsWith('.'))
    .sort()
    .map((name) => readSource(join(directory, name)));
