// While it is engaged, no session starts. It survives the daemon, and only who may resume releases it.
import { CordonError } from '../model/mod.ts';

export interface Stop {
  /** Uid of who engaged it. */
  readonly by: number;
  /** Unix ms. */
  readonly time: number;
  readonly reason: string;
}

export interface StopStore {
  read(name: string): string | undefined;
  /** Durable when it returns. */
  write(name: string, value: string): void;
}

/** Everybody's launches, or those of one uid. */
export type Scope = 'all' | number;

const setting = 'launch-stops';
const epochSetting = 'kill-epoch';

export class LaunchStop {
  readonly #store: StopStore;
  readonly #stops: Map<string, Stop>;

  constructor(store: StopStore) {
    this.#store = store;
    this.#stops = new Map(Object.entries(JSON.parse(store.read(setting) ?? '{}') as Record<string, Stop>));
  }

  engaged(scope: Scope): Stop | undefined {
    return this.#stops.get(String(scope));
  }

  /** How often everybody's launches were stopped. Only grows. */
  get epoch(): number {
    return Number(this.#store.read(epochSetting) ?? '0');
  }

  engage(scope: Scope, stop: Stop): void {
    // It holds from here on, whether or not the disk takes it.
    this.#stops.set(String(scope), stop);
    try {
      this.#save();
    } finally {
      if (scope === 'all') this.#store.write(epochSetting, String(this.epoch + 1));
    }
  }

  release(scope: Scope): void {
    if (this.#stops.delete(String(scope))) this.#save();
  }

  releaseEverything(): void {
    this.#stops.clear();
    this.#save();
  }

  /** Throws when a launch for this uid must not be. */
  check(uid: number): void {
    const stop = this.engaged('all') ?? this.engaged(uid);
    if (stop === undefined) return;
    const why = stop.reason === '' ? '' : ` (${stop.reason})`;
    throw new CordonError('killed', `launches were stopped by uid ${stop.by}${why}`, {
      fix: this.engaged('all')
        ? 'an administrator releases it: cordon resume --all'
        : 'release it: cordon resume --all',
    });
  }

  #save(): void {
    this.#store.write(setting, JSON.stringify(Object.fromEntries(this.#stops)));
  }
}
