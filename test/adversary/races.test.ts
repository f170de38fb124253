// Races: what a call refers to changes while the call is judged. Not one byte leaks, and nothing outside changes.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { linkSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionRecord } from '../../daemon/model/mod.ts';
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
  toOutside('race-fifo-in-memory', 'a path that flips in memory lets nothing into a named pipe outside'),
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
  const prepare = (site: Site): void => {
    spawnSync('mkfifo', [join(site.outside, 'race-fifo-in-memory/fifo')]);
  };
  await attackAll(t, { attacks: writes, prepare, within: 170_000, more: () => ['rounds=20000'] });
});

t.test('races of execs', async (t) => {
  await attackAll(t, { attacks: execs, within: 170_000, more: () => ['execs=250'] });
});

/** `round-N WORD` as programs printed what they were given, and as the records of their execs say it. */
const ranRounds = new Map<string, string>();
const recordedRounds = new Map<string, string>();

/** Rounds of processes that were killed when they started, and those of the denials that say so. */
const killed = new Set<string>();
const denied = new Set<string>();

function compareRounds(site: Site, records: readonly SessionRecord[]): void {
  const ran = readFileSync(join(site.ws, 'race-argv/ran'), 'utf8').trim().split('\n');
  for (const line of ran) ranRounds.set(line.split(' ')[0] ?? '', line.split(' ')[1] ?? '');
  for (const { kind, disposition, detail, outcome, rule } of records) {
    const argv = detail?.['argv'];
    if (rule?.id === 'builtin/argv-changed' && Array.isArray(argv)) denied.add(String(argv[2]));
    if (kind === 'exec' && outcome === 'KILLED' && Array.isArray(argv)) killed.add(String(argv[2]));
    if (kind !== 'exec' || disposition !== 'allowed' || outcome !== '0' || !Array.isArray(argv)) continue;
    if (argv[1] === '--echo') recordedRounds.set(String(argv[2]), String(argv[3]));
  }
}

t.test('a race of arguments', async (t) => {
  const attack: Attack = {
    case: 'race-argv',
    title:
      'arguments that flip in memory do not run under a record that says otherwise: each changed one is killed and denied on record',
    native: 'not-run',
    unrecorded:
      'how many rounds change in the one instant that counts is chance: each that did is looked for below',
    happened: () =>
      [...ranRounds].some(([round, word]) => recordedRounds.get(round) !== word) ||
      [...killed].some((round) => !denied.has(round) || ranRounds.has(round)),
  };
  await attackAll(t, {
    attacks: [attack],
    more: () => ['execs=200'],
    examine: compareRounds,
    within: 170_000,
  });
  t.comment(
    `${ranRounds.size} of 200 programs ran, ${recordedRounds.size} are on record as run, ${denied.size} were denied`,
  );
});
