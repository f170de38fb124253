// The keys of cordond itself: in files that only root reads; or, where there is a TPM and an escrow key, in a vault that
// the TPM opens while the machine is started as it was. Files of before go into the vault when it is made.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { openTpm } from '../../native-bindings/tpm/mod.ts';
import type { Tpm } from '../../native-bindings/tpm/mod.ts';
import { keyNameOf, softwareSigner } from '../audit/mod.ts';
import type { Signer } from '../audit/mod.ts';
import { recordKeyName, Vault } from '../attestation/mod.ts';
import type { SealPlace } from '../attestation/mod.ts';
import type { AttestationSettings } from '../config/attestation-settings.ts';
import { sealingKeys } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';
import { valueOpener, valueSealer } from '../ocsf/mod.ts';
import type { OpenText, SealText } from '../ocsf/mod.ts';
import { asCordonError } from '../wire/mod.ts';
import type { Paths } from './paths.ts';
import { sealPlace, tpmNamed } from './tpm-settings.ts';

/** A secret text that its owner reads and replaces. */
export interface SecretText {
  /** Undefined: there is none yet. Throws CordonError while it is locked. */
  read(): string | undefined;
  write(text: string): void;
}

/** Secrets by name, in the vault. Every member throws CordonError while it is locked, and where there is none. */
export interface NamedSecrets {
  readonly names: () => readonly string[];
  readonly read: (name: string) => Buffer | undefined;
  /** On the disk when it returns. */
  readonly put: (name: string, secret: Uint8Array) => void;
  /** False: there was none. */
  readonly remove: (name: string) => boolean;
}

export interface HostKeys {
  /** Undefined: the keys are files. */
  readonly vault: Vault | undefined;
  /** Why there is no vault, in words; empty: there is one. */
  readonly unsealed: string;
  readonly signer: Signer;
  /** Undefined: cordond keeps it in the usual file. */
  readonly redactionKey: (() => Uint8Array | undefined) | undefined;
  readonly tokenKeys: SecretText | undefined;
  /** What administrators put there. */
  readonly secrets: NamedSecrets;
  /** Seals values of records; undefined while the vault is locked, and where there is none. */
  readonly seal: () => SealText | undefined;
  /** Opens them again. Throws CordonError that says why not. */
  readonly unseal: () => OpenText;
}

const names = { redaction: 'redaction-key', tokens: 'token-keys' } as const;
/** Milliseconds for one command of the TPM's while cordond starts: enforcement does not wait for a TPM that hangs. */
const patience = 10_000;

function noSecrets(unsealed: string): NamedSecrets {
  const refuse = (): never => {
    throw new CordonError('unavailable', `secrets are not kept here: ${unsealed}`, {
      fix: 'attestation: tpm and escrow in cordond’s settings make a vault; or name files that only root reads',
    });
  };
  return { names: refuse, read: refuse, put: refuse, remove: refuse };
}

/** Before the names that administrators give, so that none of them is one of ours. */
const given = 'secret:';

const namedSecrets = (vault: Vault): NamedSecrets => ({
  names: () => vault.names.filter((name) => name.startsWith(given)).map((name) => name.slice(given.length)),
  read: (name) => {
    const text = vault.read(`${given}${name}`);
    return text === undefined ? undefined : Buffer.from(text, 'base64');
  },
  put: (name, secret) => vault.write(`${given}${name}`, Buffer.from(secret).toString('base64')),
  remove: (name) => vault.remove(`${given}${name}`),
});

export const fileKeys = (paths: Paths, unsealed: string): HostKeys => ({
  vault: undefined,
  unsealed,
  signer: softwareSigner(paths.recordKey),
  redactionKey: undefined,
  tokenKeys: undefined,
  secrets: noSecrets(unsealed),
  seal: () => undefined,
  unseal: () => {
    throw new CordonError('unavailable', `values of records are not sealed here: ${unsealed}`, {
      fix: 'those of another machine: cordon audit reveal, with its escrow key',
    });
  },
});

const textAt = (path: string): string | undefined =>
  existsSync(path) ? readFileSync(path, 'utf8') : undefined;

function newRecordKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

const filesOf = (paths: Paths): readonly (readonly [string, string])[] => [
  [recordKeyName, paths.recordKey],
  [names.redaction, paths.redactionKey],
  [names.tokens, paths.tokenKeys],
];

/** What there is already, and the record's key if that is all. */
function firstSecrets(paths: Paths): Map<string, string> {
  const found = filesOf(paths).flatMap(([name, path]) => {
    const text = textAt(path);
    return text === undefined ? [] : [[name, text] as const];
  });
  return new Map([[recordKeyName, newRecordKey()], ...found]);
}

/** The same secret must not stay readable beside the vault. */
function removeFiles(paths: Paths, vault: Vault): void {
  for (const [name, path] of filesOf(paths))
    if (textAt(path) !== undefined && textAt(path) === vault.read(name)) unlinkSync(path);
}

function redactionKeyOf(vault: Vault): Uint8Array | undefined {
  if (vault.problem !== undefined) return undefined;
  const known = vault.read(names.redaction);
  if (known !== undefined) return Buffer.from(known.trim(), 'hex');
  const key = randomBytes(32);
  vault.write(names.redaction, key.toString('hex'));
  return key;
}

/** Made when something is to be sealed for the first time. */
function sealOf(vault: Vault): SealText | undefined {
  if (vault.problem !== undefined) return undefined;
  const known = sealingKeys.read(vault.read(sealingKeys.name)).at(-1);
  const key = known ?? randomBytes(32);
  if (known === undefined) vault.write(sealingKeys.name, sealingKeys.text([key]));
  return valueSealer(key);
}

const vaultKeys = (vault: Vault): HostKeys => ({
  vault,
  unsealed: '',
  signer: {
    keyName: keyNameOf(vault.publicKey),
    publicKey: vault.publicKey,
    sign: (message) => vault.sign(message),
    problem: () => vault.problem,
  },
  redactionKey: () => redactionKeyOf(vault),
  tokenKeys: {
    read: () => vault.read(names.tokens),
    write: (text) => vault.write(names.tokens, text),
  },
  secrets: namedSecrets(vault),
  seal: () => sealOf(vault),
  unseal: () => valueOpener(sealingKeys.read(vault.read(sealingKeys.name))),
});

async function withTpm<T>(
  settings: AttestationSettings | undefined,
  work: (tpm: Tpm | undefined) => Promise<T>,
): Promise<T> {
  const name = tpmNamed(settings);
  // One of its own: an emulator serves one connection at a time, and this one ends when the keys are there.
  const tpm = name === undefined ? undefined : openTpm({ name, deadline: patience });
  try {
    return await work(tpm);
  } finally {
    tpm?.close();
  }
}

async function makeVault(paths: Paths, place: NonNullable<ReturnType<SealPlace>>): Promise<HostKeys> {
  try {
    const vault = await Vault.make(paths.vault, firstSecrets(paths), place.tpm, place.options);
    removeFiles(paths, vault);
    return vaultKeys(vault);
  } catch (error) {
    const { message, facts } = asCordonError(error);
    process.stderr.write(`cordond: the keys stay in files: ${message}\n`);
    if (facts.fix !== undefined) process.stderr.write(`  fix: ${facts.fix}\n`);
    return fileKeys(paths, message);
  }
}

/** For the daemon that holds the locks. Rejects only for files that are no keys: a TPM that fails leaves them locked. */
export async function openHostKeys(
  settings: AttestationSettings | undefined,
  paths: Paths,
): Promise<HostKeys> {
  const text = textAt(paths.vault);
  return withTpm(settings, async (tpm) => {
    if (text === undefined) {
      const place = sealPlace(settings, tpm);
      return place === undefined
        ? fileKeys(
            paths,
            tpm === undefined ? 'there is no TPM' : 'no escrow key is named: attestation: escrow',
          )
        : makeVault(paths, place);
    }
    const vault = Vault.read(paths.vault, text);
    await vault.unlock(tpm);
    const { problem } = vault;
    if (problem === undefined) removeFiles(paths, vault);
    else tellLocked(problem);
    return vaultKeys(vault);
  });
}

function tellLocked({ message, facts }: CordonError): void {
  process.stderr.write(
    `cordond: its keys are locked: ${message}\n  Sandboxes are enforced and records are kept; checkpoints and tokens wait.\n`,
  );
  if (facts.fix !== undefined) process.stderr.write(`  fix: ${facts.fix}\n`);
}
