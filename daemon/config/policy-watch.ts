// Reload of profiles and managed settings while the daemon runs. All or nothing: a state with any problem is reported
// and the one before it stays.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
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

export class PolicyWatch {
  #state: PolicyState;
  #timer: NodeJS.Timeout | undefined;
  #watcher: FSWatcher | undefined;
  readonly #places: PolicyPlaces;
  readonly #listener: PolicyListener;

  /** Reads the disk once. Throws only when managed settings cannot be read. */
  constructor(places: PolicyPlaces, listener: PolicyListener) {
    this.#places = places;
    this.#listener = listener;
    this.#state = loadPolicy(places);
  }

  get state(): PolicyState {
    return this.#state;
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

  /** Reads the disk now; also for SIGHUP. True when the new state is in force. */
  reload(): boolean {
    this.#watcher?.add(this.#directories());
    let next: PolicyState;
    try {
      next = loadPolicy(this.#places);
    } catch (cause) {
      this.#listener.broken([asError(cause)]);
      return false;
    }
    if (next.problems.length > 0) {
      this.#listener.broken(next.problems);
      return false;
    }
    if (same(this.#state, next)) return true;
    this.#state = next;
    this.#listener.changed(next);
    return true;
  }
}

function nearestExisting(path: string): string {
  return existsSync(path) || path === '/' ? path : nearestExisting(dirname(path));
}

const same = (a: PolicyState, b: PolicyState): boolean =>
  JSON.stringify(entries(a)) === JSON.stringify(entries(b));
const entries = (state: PolicyState): unknown => [[...state.sources], state.managed, state.problems.length];

const asError = (cause: unknown): CordonError =>
  cause instanceof CordonError
    ? cause
    : new CordonError('internal', `the profiles cannot be watched: ${String(cause)}`, {
        cause,
        fix: 'see the cause; the policy in force stays',
      });
