// A software TPM and an administrator's escrow key, for a cordond that seals: files, and the settings that name both.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { escrowKeys } from './escrow.ts';
import { startSwtpm } from './swtpm.ts';
import type { Swtpm } from './swtpm.ts';
import { temporaryDirectory } from './temporary.ts';

export interface SealedMachine {
  readonly swtpm: Swtpm;
  /** A file beside `escrow.pem` and `escrow.key`. */
  readonly at: (name: string) => string;
  /** Part of cordond's settings. */
  readonly attestation: string;
}

export async function sealedMachine(t: Pick<Test, 'teardown'>): Promise<SealedMachine> {
  const swtpm = await startSwtpm(t, { certified: false });
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  const { publicKey, privateKey } = escrowKeys();
  writeFileSync(at('escrow.pem'), publicKey);
  writeFileSync(at('escrow.key'), privateKey);
  const attestation = `attestation:\n  tpm: "${swtpm.name}"\n  escrow: ${at('escrow.pem')}\n`;
  return { swtpm, at, attestation };
}

/** Every file below, as text that can be searched. */
export const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => readFileSync(join(each.parentPath, each.name), 'latin1'));
