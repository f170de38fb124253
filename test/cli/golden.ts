// Golden files: what the CLI writes, to the byte. `CORDON_GOLDEN=write npm test -- test/cli` writes them anew; the
// difference is then reviewed like code.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

export function golden(t: Test, name: string, actual: string): void {
  const file = fileURLToPath(new URL(`golden/${name}`, import.meta.url));
  if (process.env['CORDON_GOLDEN'] === 'write') writeFileSync(file, actual);
  t.equal(actual, readFileSync(file, 'utf8'), `is what golden/${name} holds`);
}
