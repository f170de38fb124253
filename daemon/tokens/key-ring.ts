// The keys of this endpoint: one signs, the others are still (or already) published, so that nobody who checks tokens ever
// meets a key he could not have known. Kept in one file that only root reads.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { CordonError } from '../model/mod.ts';
import { maxLifetime } from './claims.ts';
import type { SigningAlgorithm } from './jwks.ts';
import { newPrivateJwk, softwareKey } from './keys.ts';
import type { PrivateJwk, SigningKey } from './keys.ts';

/** Makes keys and brings kept ones back. What is kept of a key is the keeper's own: a private JWK, or what a TPM wraps. */
export interface KeyKeeper {
  make(): unknown;
  revive(kept: unknown): Promise<SigningKey>;
}

export const softwareKeeper = (algorithm: SigningAlgorithm = 'EdDSA'): KeyKeeper => ({
  make: () => newPrivateJwk(algorithm),
  // Written by us, read from a file that only root can write.
  revive: (kept) => Promise.resolve(softwareKey(kept as PrivateJwk)),
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
  readonly #file: string;
  readonly #keeper: KeyKeeper;
  #held: readonly Held[];

  private constructor(file: string, keeper: KeyKeeper, held: readonly Held[]) {
    this.#file = file;
    this.#keeper = keeper;
    this.#held = held;
  }

  /** Reads the key file, or makes it with a first key. A file that cannot be read is an error, never a new key. */
  static async open(file: string, keeper: KeyKeeper, now: number): Promise<KeyRing> {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const entries = readKept(file);
    const held = await Promise.all(
      entries.map(async (entry) => ({ ...entry, key: await keeper.revive(entry.kept) })),
    );
    const ring = new KeyRing(file, keeper, held);
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
    if (atOnce) this.#held = [];
    return this.#add(atOnce || this.#held.length === 0 ? now : now + keyLead);
  }

  /** True when the key is old enough for a new one, and none is on its way. */
  isDue(now: number): boolean {
    const last = this.#held.at(-1);
    return last === undefined || last.from + keyAge <= now;
  }

  async #add(from: number): Promise<SigningKey> {
    const kept = this.#keeper.make();
    const key = await this.#keeper.revive(kept);
    const before = this.#held
      .map((each) => ({ ...each, until: each.until === 0 ? from + keyTail : each.until }))
      .filter(({ until }) => until > from - keyLead);
    const held = [...before, { kept, from, until: 0, key }];
    writeKept(
      this.#file,
      held.map((each) => ({ kept: each.kept, from: each.from, until: each.until })),
    );
    this.#held = held;
    return key;
  }
}

function readKept(file: string): readonly Kept[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    return (JSON.parse(text) as { keys: Kept[] }).keys;
  } catch (cause) {
    throw new CordonError('config-invalid', `${file} is not a key file`, {
      file,
      fix: 'move it away: cordond then makes a new key, and tokens by the old one end',
      cause,
    });
  }
}

/** All or nothing, and on the disk when it returns. */
function writeKept(file: string, keys: readonly Kept[]): void {
  const next = `${file}.new`;
  const fd = openSync(next, 'w', 0o600);
  try {
    writeSync(fd, JSON.stringify({ version: 1, keys }));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, file);
}
