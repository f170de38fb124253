// Secrets of cordond's own, in one file: under a key that the TPM gives out while the machine is started as it was, and
// that the administrator's escrow key opens otherwise. Locked, it still says which key the record is signed with.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeDurably } from '../../native-bindings/files/mod.ts';
import type { Tpm } from '../../native-bindings/tpm/mod.ts';
import {
  boxUp,
  maxSealedData,
  readSecrets,
  readVaultFile,
  recordKeyBinding,
  unbox,
  vaultText,
} from '../evidence/mod.ts';
import type { Sealed, Secrets } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';
import { openKey, sealUp } from './seal.ts';
import type { SealOptions } from './seal.ts';

/** Name of the secret that signs the record: an Ed25519 key, PKCS #8 in PEM. */
export const recordKeyName = 'record-key';

export type { Secrets };
/** Where to seal, and to what; undefined: there is no TPM, or no escrow key. */
export type SealPlace = () => { readonly tpm: Tpm; readonly options: SealOptions } | undefined;

interface Unlocked {
  readonly secrets: Secrets;
  /** Of the box. */
  readonly key: Buffer;
  readonly signing: KeyObject;
}

const rawOf = (key: KeyObject): Buffer =>
  Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');

const secretsText = (secrets: Secrets): Buffer => Buffer.from(JSON.stringify(Object.fromEntries(secrets)));

/** Throws when the content is not that of a vault for this key. */
function unlockedWith(content: Buffer, key: Buffer, publicKey: Buffer): Unlocked {
  const secrets = readSecrets(content);
  const signing = createPrivateKey(secrets.get(recordKeyName) ?? '');
  if (signing.asymmetricKeyType !== 'ed25519' || !rawOf(signing).equals(publicKey))
    throw new CordonError(
      'not-permitted',
      'what was opened holds another key than the record is signed with',
    );
  return { secrets, key, signing };
}

export class Vault {
  readonly #file: string;
  #sealed: Sealed;
  #open: Unlocked | undefined;
  #problem: CordonError | undefined;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Buffer;

  private constructor(file: string, sealed: Sealed, publicKey: Buffer) {
    this.#file = file;
    this.#sealed = sealed;
    this.publicKey = publicKey;
  }

  /** Seals these secrets, the record's key among them, into a new file. Rejects when the TPM does not. */
  static async make(file: string, secrets: Secrets, tpm: Tpm, options: SealOptions): Promise<Vault> {
    const publicKey = rawOf(createPrivateKey(secrets.get(recordKeyName) ?? ''));
    const about = recordKeyBinding(publicKey);
    const { sealed, key } = await sealUp(tpm, secretsText(secrets), { ...options, about });
    const vault = new Vault(file, sealed, publicKey);
    vault.#open = unlockedWith(secretsText(secrets), key, publicKey);
    vault.#write();
    return vault;
  }

  /** From the text of its file: locked. */
  static read(file: string, text: string): Vault {
    const { publicKey, sealed } = readVaultFile(text);
    const vault = new Vault(file, sealed, publicKey);
    vault.#problem = new CordonError('unavailable', 'the TPM was not asked yet', { fix: 'try again' });
    return vault;
  }

  #write(): void {
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    writeDurably(this.#file, vaultText({ publicKey: this.publicKey, sealed: this.#sealed }));
  }

  /** Why it is locked; undefined: it is open. */
  get problem(): CordonError | undefined {
    return this.#open === undefined ? this.#problem : undefined;
  }

  get sealed(): Sealed {
    return this.#sealed;
  }

  #opened(): Unlocked {
    if (this.#open !== undefined) return this.#open;
    const { message = '', facts } = this.#problem ?? {};
    throw new CordonError('unavailable', `cordond's keys are locked: ${message}`, {
      fix: facts?.fix ?? 'cordon attest status says more',
    });
  }

  /** Throws CordonError while it is locked. */
  read(name: string): string | undefined {
    return this.#opened().secrets.get(name);
  }

  /** Names of what is kept. Throws CordonError while it is locked. */
  get names(): readonly string[] {
    return [...this.#opened().secrets.keys()];
  }

  /** On the disk when it returns. The TPM is not asked: the key of the box stays. */
  write(name: string, text: string): void {
    this.#keep(new Map([...this.#opened().secrets, [name, text]]));
  }

  /** As `write`. False: there was none. */
  remove(name: string): boolean {
    const secrets = new Map(this.#opened().secrets);
    if (!secrets.delete(name)) return false;
    this.#keep(secrets);
    return true;
  }

  #keep(secrets: Secrets): void {
    const open = this.#opened();
    const text = secretsText(secrets);
    if (text.length > maxSealedData)
      throw new CordonError('limit', `the vault would hold more than ${maxSealedData} bytes`, {
        fix: 'remove secrets that nothing uses: cordon secret list',
      });
    this.#sealed = { ...this.#sealed, box: boxUp(open.key, text) };
    this.#write();
    this.#open = { ...open, secrets };
  }

  sign(message: Uint8Array): Uint8Array {
    return sign(null, message, this.#opened().signing);
  }

  /** Asks the TPM. Never rejects: why it stays locked is in `problem`. */
  async unlock(tpm: Tpm | undefined): Promise<void> {
    if (this.#open !== undefined) return;
    try {
      if (tpm === undefined) throw new CordonError('unavailable', 'there is no TPM any more', noTpm);
      const key = await openKey(tpm, this.#sealed);
      this.#open = unlockedWith(unbox(key, this.#sealed.box), key, this.publicKey);
    } catch (error) {
      this.#problem = asProblem(error);
    }
  }

  /**
   * With the content that the escrow key gave: opens, and seals to what the PCRs are now. Rejects when it does not fit. An
   * open vault keeps what it has: the content may be of before the last write.
   */
  async recover(content: Buffer, place: ReturnType<SealPlace>): Promise<void> {
    const given = unlockedWith(content, Buffer.alloc(0), this.publicKey);
    if (place === undefined) throw new CordonError('unavailable', 'there is no TPM to seal with', noTpm);
    const about = recordKeyBinding(this.publicKey);
    const kept = this.#open ?? given;
    const { sealed, key } = await sealUp(place.tpm, secretsText(kept.secrets), { ...place.options, about });
    // Written while the TPM was at work.
    const latest = this.#open ?? kept;
    this.#sealed = latest === kept ? sealed : { ...sealed, box: boxUp(key, secretsText(latest.secrets)) };
    this.#write();
    this.#open = { ...latest, key };
  }
}

const noTpm = {
  fix: 'attestation: tpm and escrow in cordond’s settings; cordon attest status says what there is',
};

const asProblem = (error: unknown): CordonError =>
  error instanceof CordonError
    ? error
    : new CordonError('unavailable', error instanceof Error ? error.message : String(error), {
        cause: error,
      });
