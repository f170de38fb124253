// Reload of profiles and managed settings while the daemon runs. All or nothing: a state with any problem is reported
// and the one before it stays.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { watch } from 'chokidar';
import type { FSWatcher } from 'chokidar';
import { CordonError } from '../model/mod.ts';
import { builtInProfiles, defaultManagedFile, loadPolicy } from './profiles.ts';
import type { PolicyPlaces, PolicyState } from './profiles.ts';

export interface PolicyListener {
  /** A new state, without problems, is in force. */
  readonly changed: (state: PolicyState) => void;
  /** Something on the disk is broken; the old state stays. */
  readonly broken: (problems: readonly CordonError[]) => void;
}

/** Milliseconds of quiet before the disk is read: editors write a file in several steps. */
const settle = 100;
/** Milliseconds between two readings of the disk that a user can cause by naming a profile. */
const betweenLooks = 1000;

export class PolicyWatch {
  #state: PolicyState;
  #timer: NodeJS.Timeout | undefined;
  #watcher: FSWatcher | undefined;
  #problems: readonly CordonError[];
  #looked = -Infinity;
  readonly #places: PolicyPlaces;
  readonly #listener: PolicyListener;
  readonly #now: () => number;

  /** Reads the disk once. Throws only when managed settings cannot be read. `now`: milliseconds, never set back. */
  constructor(places: PolicyPlaces, listener: PolicyListener, now = (): number => performance.now()) {
    this.#places = places;
    this.#listener = listener;
    this.#now = now;
    this.#state = loadPolicy(places);
    this.#problems = this.#state.problems;
  }

  get state(): PolicyState {
    return this.#state;
  }

  /** What is wrong with the disk as it was read last; the state in force may be an earlier one. */
  get problems(): readonly CordonError[] {
    return this.#problems;
  }

  /** Resolves when every directory is watched. */
  async start(): Promise<void> {
    const watcher = watch(this.#directories(), { ignoreInitial: true, depth: 0 });
    this.#watcher = watcher;
    watcher.on('all', () => this.#schedule());
    watcher.on('error', (cause) => this.#listener.broken([asError(cause)]));
    await new Promise<void>((resolve) => watcher.once('ready', () => resolve()));
  }

  /** A directory that is not there yet is noticed through the nearest one above it. */
  #directories(): string[] {
    const { profileDirs, builtInDir, managedFile } = this.#places;
    const wanted = [
      ...profileDirs,
      builtInDir ?? builtInProfiles(),
      dirname(managedFile ?? defaultManagedFile),
    ];
    return [...new Set(wanted.map(nearestExisting))];
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#watcher?.close();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.reload(), settle);
  }

  /**
   * For a name that is not known: a file that was written a moment ago may not have been noticed yet. Reads the disk at
   * most once a second, and only when there is such a file, so that asking for names keeps nobody busy.
   */
  lookFor(name: string): void {
    const { profileDirs, builtInDir } = this.#places;
    const directories = [...profileDirs, builtInDir ?? builtInProfiles()];
    if (name.includes('/') || !directories.some((each) => existsSync(join(each, `${name}.yaml`)))) return;
    if (this.#now() - this.#looked < betweenLooks) return;
    this.#looked = this.#now();
    this.#read('news only');
  }

  /** Reads the disk now; also for SIGHUP. True when the new state is in force. */
  reload(): boolean {
    return this.#read('all');
  }

  #read(tell: 'all' | 'news only'): boolean {
    this.#watcher?.add(this.#directories());
    const next = this.#load();
    const broken = Array.isArray(next) ? next : next.problems;
    const isNews = messages(broken) !== messages(this.#problems);
    this.#problems = broken;
    if (Array.isArray(next) || broken.length > 0) {
      if (isNews || tell === 'all') this.#listener.broken(broken);
      return false;
    }
    // Put back as it was after it was broken: that it is whole again is news.
    if (same(this.#state, next) && !isNews) return true;
    this.#state = next;
    this.#listener.changed(next);
    return true;
  }

  #load(): PolicyState | CordonError[] {
    try {
      return loadPolicy(this.#places);
    } catch (cause) {
      return [asError(cause)];
    }
  }
}

function nearestExisting(path: string): string {
  return existsSync(path) || path === '/' ? path : nearestExisting(dirname(path));
}

const same = (a: PolicyState, b: PolicyState): boolean =>
  JSON.stringify(entries(a)) === JSON.stringify(entries(b));
const entries = (state: PolicyState): unknown => [[...state.sources], state.managed, state.problems.length];

const messages = (problems: readonly CordonError[]): string =>
  problems.map(({ message }) => message).join('; ');

const asError = (cause: unknown): CordonError =>
  cause instanceof CordonError
    ? cause
    : new CordonError('internal', `the profiles cannot be watched: ${String(cause)}`, {
        cause,
        fix: 'see the cause; the policy in force stays',
      });
