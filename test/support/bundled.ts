// Processes of Cordon's as they are shipped, one file each, which start in a fraction of the time that their sources take.
// For tests that start them often. Built below node_modules, where native packages are found.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import t from 'tap';
import { esm, root } from '../../daemon/scripts/bundle.ts';

const entries = {
  uploader: 'daemon/control/uploader-main.ts',
  'daemon-process': 'test/support/daemon-process.ts',
  'fake-supervisor': 'test/support/fake-supervisor.ts',
  'audit-verify': 'daemon/audit/verify/main.ts',
  'audit-verify-thread': 'daemon/audit/verify/thread.ts',
  'audit-intake-thread': 'daemon/audit/intake-thread.ts',
  'work-forever': 'test/audit/work-forever.ts',
};

const sets = {
  uploader: ['uploader'],
  log: ['work-forever', 'audit-intake-thread'],
  daemon: [
    'daemon-process',
    'fake-supervisor',
    'uploader',
    'audit-verify',
    'audit-verify-thread',
    'audit-intake-thread',
  ],
} as const;

const built = new Map<string, string>();

/** Directory with `<name>.js` for each of the set, beside each other; gone when the test file has ended. */
export function bundled(set: keyof typeof sets): string {
  const known = built.get(set);
  if (known !== undefined) return known;
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(join(cache, 'cordon-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  // Read by who the process runs as.
  chmodSync(directory, 0o755);
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }\n');
  const entryPoints = Object.fromEntries(sets[set].map((name) => [name, entries[name]]));
  buildSync({ ...esm, entryPoints, outdir: directory });
  built.set(set, directory);
  return directory;
}
