// Small files that are whole and on the disk, or as they were: written beside, fsynced, renamed, directory fsynced.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Readable by the owner alone. Throws, and leaves what was there, when the disk does not take it whole. */
export function writeDurably(path: string, text: string): void {
  const beside = `${path}.new`;
  const fd = openSync(beside, 'w', 0o600);
  try {
    writeFileSync(fd, text); // all of it, or it throws
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(beside, path);
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Undefined when there is no such file. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
