// What this endpoint has last proved about itself, for whoever makes a right depend on it. Terms as in RFC 9334.

/** Who keeps the keys. `software` is a TPM emulator: it proves nothing to anybody outside this machine. */
export type TpmKind = 'hardware' | 'software' | 'none';

/**
 * - `passed`: a verifier accepted evidence; holds until `freshUntil`
 * - `failed`: a verifier refused evidence
 * - `unknown`: no verifier has said anything since this daemon's state began
 */
export type AttestationVerdict = 'passed' | 'failed' | 'unknown';

export interface AttestationState {
  readonly tpm: TpmKind;
  readonly verdict: AttestationVerdict;
  /** In words: what was proved, or why not. */
  readonly reason: string;
  /** When the verifier decided. Unix milliseconds; 0 when none did. */
  readonly at: number;
  /** `passed` counts up to here and no longer. Unix milliseconds; 0 when nothing counts. */
  readonly freshUntil: number;
  /** Who decided: `iss` of its result. */
  readonly verifier?: string;
  /** The result itself: an EAT (RFC 9711), a JWT that the verifier signed. */
  readonly result?: string;
}

/** What a profile or a token's policy may insist on. `software`: any TPM; `hardware`: a real one. */
export type AttestationRequirement = 'none' | 'software' | 'hardware';

export const unattested = (tpm: TpmKind, reason: string): AttestationState => ({
  tpm,
  verdict: 'unknown',
  reason,
  at: 0,
  freshUntil: 0,
});

/** Milliseconds that the verifier's clock may be ahead of ours. */
const clockTolerance = 60_000;

/**
 * Undefined when the requirement is met at `now` (Unix milliseconds), else why it is not, in words. `within`: milliseconds
 * for which a verdict counts at most, whatever the verifier said.
 */
export function attestationLacks(
  { tpm, verdict, reason, at, freshUntil }: AttestationState,
  requirement: AttestationRequirement,
  now: number,
  within = Infinity,
): string | undefined {
  if (requirement === 'none') return undefined;
  if (tpm === 'none') return 'this machine has no TPM';
  if (requirement === 'hardware' && tpm === 'software') return 'the TPM of this machine is software';
  if (verdict === 'failed') return `the verifier refused this machine: ${reason}`;
  if (verdict === 'unknown') return 'no verifier has accepted this machine yet';
  // A clock that was put back must not make it young again.
  if (now < at - clockTolerance) return 'what the verifier accepted is dated in the future';
  return now < Math.min(freshUntil, at + within) ? undefined : 'what the verifier accepted is too old';
}
