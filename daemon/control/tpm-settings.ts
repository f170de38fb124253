// Which TPM the settings mean, and what is sealed to.
import { existsSync } from 'node:fs';
import type { Tpm } from '../../native-bindings/tpm/mod.ts';
import type { SealPlace } from '../attestation/mod.ts';
import { attestationDefaults, settingsFile } from '../config/attestation-settings.ts';
import type { AttestationSettings } from '../config/attestation-settings.ts';
import { defaultPcrs, defaultSealedPcrs } from '../evidence/mod.ts';

/** A device that is not there is no TPM; what else is named is looked for when it is used. */
export function tpmNamed(settings: AttestationSettings = attestationDefaults): string | undefined {
  const { tpm } = settings;
  if (tpm === 'none') return undefined;
  const device = /^device:(.+)$/.exec(tpm)?.[1];
  return device === undefined || existsSync(device) ? tpm : undefined;
}

export const quotedPcrs = ({ pcrs }: AttestationSettings): readonly number[] => pcrs ?? defaultPcrs;

/** All of them quoted: a verifier must see what a key is sealed to. */
export function sealedPcrs(settings: AttestationSettings): readonly number[] {
  const quoted = quotedPcrs(settings);
  const chosen = (settings.sealedPcrs ?? defaultSealedPcrs).filter((pcr) => quoted.includes(pcr));
  return chosen.length > 0 ? chosen : quoted;
}

/** Nothing is sealed without a way back. */
export function sealPlace(
  settings: AttestationSettings = attestationDefaults,
  tpm: Tpm | undefined,
): ReturnType<SealPlace> {
  const { escrow, bank } = settings;
  if (tpm === undefined || escrow === undefined) return undefined;
  return { tpm, options: { bank, pcrs: sealedPcrs(settings), escrow: settingsFile('escrow', escrow) } };
}
