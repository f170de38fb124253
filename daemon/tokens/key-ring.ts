// The keys of this endpoint: one signs, the others are still (or already) published, so that nobody who checks tokens ever
// meets a key he could not have known. Kept in one file that only root reads.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { readIfThere, writeDurably } from '../../native-bindings/files/mod.ts';
import { CordonError } from '../model/mod.ts';
import { maxLifetime } from './claims.ts';
import type { SigningAlgorithm } from './jwks.ts';
import { newPrivateJwk } from './keys.ts';
import type { SigningKey } from './keys.ts';
import { reviveKey } from './tpm-keys.ts';

/** Makes keys and brings kept ones back. What is kept of a key is the keeper's own: a private JWK, or what a TPM wraps. */
export interface KeyKeeper {
  /** Where the keys are that it makes. */
  readonly holds: SigningKey['held'];
  make(): Promise<unknown>;
  revive(kept: unknown): Promise<SigningKey>;
}

/** Where the ring is kept: a text that only root reads, whole and on the disk when it is written. */
export interface KeyStore {
  /** For errors. */
  readonly name: string;
  /** Undefined: there is none yet. */
  read(): string | undefined;
  write(text: string): void;
}

export const softwareKeeper = (algorithm: SigningAlgorithm = 'EdDSA'): KeyKeeper => ({
  holds: 'file',
  make: () => Promise.resolve(newPrivateJwk(algorithm)),
  revive: (kept) => Promise.resolve(reviveKey(kept)),
});

interface Kept {
  readonly kept: unknown;
  /** Signs from here on, until a later one does. Unix milliseconds. */
  readonly from: number;
  /** Published until here. Unix milliseconds; 0: no end yet. */
  readonly until: number;
}
interface Held extends Kept {
  readonly key: SigningKey;
}

/** Milliseconds that a new key is published before it signs: longer than anybody keeps a copy of the key set. */
export const keyLead = 3_600_000;
/** Milliseconds that an old key is published after it has signed its last token. */
const keyTail = (maxLifetime + 300) * 1000;
/** Milliseconds that a key signs. */
const keyAge = 30 * 86_400_000;

export class KeyRing {
  readonly #store: KeyStore;
  readonly #keeper: KeyKeeper;
  #held: readonly Held[];

  private constructor(store: KeyStore, keeper: KeyKeeper, held: readonly Held[]) {
    this.#store = store;
    this.#keeper = keeper;
    this.#held = held;
  }

  /**
   * Reads the key store (a file when a path is given), or makes it with a first key. One that cannot be read is an
   * error, never a new key.
   */
  static async open(place: string | KeyStore, keeper: KeyKeeper, now: number): Promise<KeyRing> {
    const store = typeof place === 'string' ? fileStore(place) : place;
    const entries = readKept(store);
    const held = await Promise.all(
      entries.map(async (entry) => ({ ...entry, key: await keeper.revive(entry.kept) })),
    );
    const ring = new KeyRing(store, keeper, held);
    if (held.length === 0) await ring.#add(now);
    return ring;
  }

  /** The key that signs now. */
  signing(now: number): SigningKey {
    const found = this.#held.findLast(({ from }) => from <= now) ?? this.#held[0];
    if (found === undefined) throw new CordonError('internal', 'there is no key to sign tokens with');
    return found.key;
  }

  published(now: number): readonly SigningKey[] {
    return this.#held.filter(({ until }) => until === 0 || until > now).map(({ key }) => key);
  }

  /** A new key, published from now on. It signs after `keyLead`; `atOnce`: now, and all older keys are worthless. */
  async rotate(now: number, atOnce: boolean): Promise<SigningKey> {
    return this.#add(atOnce || this.#held.length === 0 ? now : now + keyLead, atOnce);
  }

  /** True when the key is old enough for a new one, or held elsewhere than new ones are, and none is on its way. */
  isDue(now: number): boolean {
    const last = this.#held.at(-1);
    return last === undefined || last.from + keyAge <= now || last.key.held !== this.#keeper.holds;
  }

  /** `alone`: the older ones go, once there is the new one. */
  async #add(from: number, alone = false): Promise<SigningKey> {
    const kept = await this.#keeper.make();
    const key = await this.#keeper.revive(kept);
    const before = (alone ? [] : this.#held)
      .map((each) => ({ ...each, until: each.until === 0 ? from + keyTail : each.until }))
      .filter(({ until }) => until > from - keyLead);
    const held = [...before, { kept, from, until: 0, key }];
    writeKept(
      this.#store,
      held.map((each) => ({ kept: each.kept, from: each.from, until: each.until })),
    );
    this.#held = held;
    return key;
  }
}

function readKept(store: KeyStore): readonly Kept[] {
  const text = store.read();
  if (text === undefined) return [];
  try {
    return (JSON.parse(text) as { keys: Kept[] }).keys;
  } catch (cause) {
    throw new CordonError('config-invalid', `${store.name} is not a key file`, {
      file: store.name,
      fix: 'move it away: cordond then makes a new key, and tokens by the old one end',
      cause,
    });
  }
}

const writeKept = (store: KeyStore, keys: readonly Kept[]): void =>
  store.write(JSON.stringify({ version: 1, keys }));

const fileStore = (file: string): KeyStore => ({
  name: file,
  read: () => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return readIfThere(file);
  },
  write: (text) => writeDurably(file, text),
});
