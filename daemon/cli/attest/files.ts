// Files that attestation verbs read and write.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CordonError } from '../../model/mod.ts';
import { maxEvidence, quoteFiles, readEvidence } from '../../evidence/mod.ts';

export const readText = (path: string, what: string): string => readBytes(path, what).toString('utf8');

export function readBytes(path: string, what: string): Buffer {
  try {
    if (statSync(path).size > maxEvidence)
      throw new CordonError('limit', `${path} is too large for ${what}`, { file: path });
    return readFileSync(path);
  } catch (error) {
    if (error instanceof CordonError) throw error;
    throw new CordonError(
      'not-found',
      `cannot read ${what}: ${error instanceof Error ? error.message : String(error)}`,
      {
        file: path,
      },
    );
  }
}

/** What others read, and `evidence.json`, which `cordon attest verify` reads. Returns the names. */
export function writeQuote(directory: string, evidence: string): string[] {
  mkdirSync(directory, { recursive: true });
  const files = [...quoteFiles(readEvidence(evidence)), ['evidence.json', evidence] as const];
  for (const [name, content] of files) writeFileSync(join(directory, name), content);
  return files.map(([name]) => name);
}
