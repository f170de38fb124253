// A disk that can be filled: a tmpfs of a few MiB, in the mount namespace of the test.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function smallDisk(t: { teardown(end: () => void): void }, size = '8m'): string {
  const directory = mkdtempSync(join(tmpdir(), 'cordon-disk-'));
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', directory], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`mount: ${made.stderr}`);
  t.teardown(() => {
    spawnSync('umount', ['--lazy', directory]);
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

const ballast = (directory: string): string => join(directory, 'ballast');

/** Adds to the ballast until the disk takes no more: by the MiB, then page by page. */
export function fillDisk(directory: string): void {
  const file = openSync(ballast(directory), 'a');
  try {
    for (const size of [1024 * 1024, 4096]) writeUntilFull(file, Buffer.alloc(size));
  } finally {
    closeSync(file);
  }
}

function writeUntilFull(file: number, bytes: Buffer): void {
  try {
    while (writeSync(file, bytes) === bytes.length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

export const emptyDisk = (directory: string): void => rmSync(ballast(directory), { force: true });
