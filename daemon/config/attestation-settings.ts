// The key `attestation` of cordond's settings: which TPM, and what is done with it.
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { CordonError } from '../model/mod.ts';

export interface AttestationSettings {
  /** As tpm2-tools name it: `device:/dev/tpmrm0`. A software TPM only when it is named here: `swtpm:…`. `none`: no TPM. */
  readonly tpm: string;
  readonly bank: 'sha256' | 'sha384';
  /** Undefined: firmware, boot loader and Secure Boot state. */
  readonly pcrs?: readonly number[];
  /** What is sealed to; undefined: firmware and Secure Boot state. Of these, those that are quoted. */
  readonly sealedPcrs?: readonly number[];
  /** NV index of the rollback counter, among those of the owner. */
  readonly counter: number;
  /** Files: certificates of the endorsement key (PEM), where the TPM has none. */
  readonly ekCertificate?: string;
  /** Public key (JWK) of the verifier whose results are believed. */
  readonly verifierKey?: string;
  /** Public key (PEM, RSA) that opens what is sealed when the TPM does not any more. */
  readonly escrow?: string;
}

export const attestationDefaults: AttestationSettings = {
  tpm: 'device:/dev/tpmrm0',
  bank: 'sha256',
  counter: 0x0181c0d0,
};

const isFile = (value: unknown): boolean => typeof value === 'string' && isAbsolute(value);
/** Never empty: tpm2-tss would go and look for a TPM, and find a simulator. */
const isTpm = (value: unknown): boolean =>
  typeof value === 'string' && /^(?:none|(?:device|swtpm|mssim|tabrmd|cmd):\S.*)$/.test(value);
const isPcrs = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((pcr) => Number.isInteger(pcr) && Number(pcr) >= 0 && Number(pcr) < 24);
const isCounter = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 0x01800000 && Number(value) <= 0x01bfffff;

interface Key {
  readonly name: keyof AttestationSettings;
  readonly holds: (value: unknown) => boolean;
  readonly expected: string;
}
const keys: Readonly<Record<string, Key>> = {
  tpm: { name: 'tpm', holds: isTpm, expected: 'none, or a name such as device:/dev/tpmrm0 or swtpm:path=…' },
  bank: {
    name: 'bank',
    holds: (value) => value === 'sha256' || value === 'sha384',
    expected: 'sha256 or sha384',
  },
  pcrs: { name: 'pcrs', holds: isPcrs, expected: 'a list of PCRs, 0 to 23' },
  'sealed-pcrs': { name: 'sealedPcrs', holds: isPcrs, expected: 'a list of PCRs, 0 to 23' },
  counter: { name: 'counter', holds: isCounter, expected: 'an NV index from 0x01800000 to 0x01bfffff' },
  'ek-certificate': { name: 'ekCertificate', holds: isFile, expected: 'an absolute path' },
  'verifier-key': { name: 'verifierKey', holds: isFile, expected: 'an absolute path' },
  escrow: { name: 'escrow', holds: isFile, expected: 'an absolute path' },
};

/** What is wrong with the value of `attestation`; undefined: nothing. */
export function attestationProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'expected a mapping';
  for (const [key, each] of Object.entries(value)) {
    const known = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (known === undefined) return `there is no ${key}; there are ${Object.keys(keys).join(', ')}`;
    if (!known.holds(each)) return `${key}: expected ${known.expected}`;
  }
  return undefined;
}

/** Of a value without problems. */
export function attestationSettings(value: unknown): AttestationSettings {
  const given = Object.entries(value as Record<string, unknown>).map(([key, each]) => [
    keys[key]?.name,
    each,
  ]);
  return { ...attestationDefaults, ...(Object.fromEntries(given) as Partial<AttestationSettings>) };
}

/** Text of a file that the settings name. Throws CordonError. */
export function settingsFile(key: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CordonError('config-invalid', `attestation: ${key}: cannot read ${path}`, {
      file: path,
      cause,
    });
  }
}
