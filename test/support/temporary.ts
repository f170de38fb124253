import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** A directory of the test's own, gone when the test ends. */
export function temporaryDirectory(t: Pick<Test, 'teardown'>): string {
  const path = mkdtempSync(join(tmpdir(), 'cordon-test-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
