// Compiles the attacking programs once for all test files, into a cache keyed by their source.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Programs {
  /** Runs cases, inside the sandbox or outside. */
  readonly probe: string;
  /** Listens outside and prints what arrives. */
  readonly listen: string;
}

const sources = fileURLToPath(new URL('../probe/', import.meta.url));
const cache = fileURLToPath(new URL('../../../node_modules/.cache/cordon-probe/', import.meta.url));
const flags = ['-O1', '-Wall', '-Wextra', '-Werror', '-pthread'];

function digest(): string {
  const hash = createHash('sha256').update(flags.join(' '));
  for (const name of globSync('*.[ch]', { cwd: sources }).sort())
    hash.update(readFileSync(join(sources, name)));
  return hash.digest('hex').slice(0, 16);
}

function compile(output: string, files: readonly string[]): void {
  const gcc = spawnSync('gcc', [...flags, '-o', output, ...files], { cwd: sources, encoding: 'utf8' });
  if (gcc.status !== 0) throw new Error(`gcc failed: ${gcc.error?.message ?? gcc.stderr}`);
}

/** Why nothing can be compiled here, or undefined. */
export function noCompiler(): string | undefined {
  return spawnSync('gcc', ['--version']).status === 0 ? undefined : 'needs gcc to compile the probe';
}

export function buildPrograms(): Programs {
  const directory = join(cache, digest());
  const programs = { probe: join(directory, 'probe'), listen: join(directory, 'listen') };
  if (existsSync(programs.listen)) return programs;
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'new-'));
  const parts = globSync('*.c', { cwd: sources }).filter((name) => name !== 'listen.c');
  compile(join(scratch, 'probe'), parts);
  compile(join(scratch, 'listen'), ['listen.c']);
  try {
    renameSync(scratch, directory);
  } catch {
    rmSync(scratch, { recursive: true }); // Another test file was quicker.
  }
  return programs;
}
