// Races: what a call refers to changes while the call is judged. Not one byte leaks, and nothing outside changes.
import t from 'tap';
import { linkSync } from 'node:fs';
import { join } from 'node:path';
import { attackAll, type Attack, type Site } from './harness.ts';

/** The other end of the flip was denied at least once, or the race was never run. */
const toSecret = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: () => ({ kind: 'file', object: name }),
  happened: (_site, outcome) => outcome.result === 'succeeded',
});
const toOutside = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: (site) => ({ kind: 'file', object: join(site.outside, name) }),
});
const toForbidden = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: () => ({ kind: ['exec', 'file'], object: 'forbidden' }),
  happened: (_site, outcome) => outcome.result === 'succeeded',
});

const reads: readonly Attack[] = [
  toSecret('race-symlink-swap-read', 'a symlink swapped 20,000 times does not leak one byte'),
  toSecret('race-hard-link-swap-read', 'a hard link swapped with a file does not leak'),
  toSecret('race-path-in-memory-read', 'a path that flips in memory does not leak'),
];
const writes: readonly Attack[] = [
  toOutside('race-symlink-swap-write', 'a symlink swapped during 20,000 opens lets no write out'),
  toOutside('race-directory-swap-write', 'a directory swapped with a symlink lets no write out'),
  toOutside(
    'race-directory-swap-create',
    'a directory swapped with a symlink lets nothing be created outside',
  ),
  toOutside(
    'race-directory-swap-unlink',
    'a directory swapped with a symlink lets nothing be unlinked outside',
  ),
  toOutside(
    'race-directory-swap-rename',
    'a directory swapped with a symlink lets nothing be renamed outside',
  ),
  toOutside('race-path-in-memory-write', 'a path that flips in memory lets no write out'),
  toOutside('race-path-in-memory-unlink', 'a path that flips in memory lets nothing be unlinked outside'),
];
const execs: readonly Attack[] = [
  toForbidden('race-exec-path', 'an exec path that flips in memory does not run a program under never'),
  toForbidden('race-exec-symlink', 'an exec symlink that is swapped does not run a program under never'),
];

/** The hard link is there before the agent comes: it could not make it. */
function prepare(site: Site): void {
  const name = 'race-hard-link-swap-read';
  linkSync(join(site.vault, `${name}.id_rsa`), join(site.ws, name, 'pre-hard'));
}

t.test('races of reads', async (t) => {
  await attackAll(t, { attacks: reads, prepare, within: 170_000, more: () => ['rounds=20000'] });
});

t.test('races of writes', async (t) => {
  await attackAll(t, { attacks: writes, within: 170_000, more: () => ['rounds=20000'] });
});

t.test('races of execs', async (t) => {
  await attackAll(t, { attacks: execs, within: 170_000, more: () => ['execs=400'] });
});
