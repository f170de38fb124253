// One check: what was looked at, how it came out, and why, in words. Results as in RFC 9711, 4.2.17.

export type Outcome = 'success' | 'fail' | 'not-run' | 'absent';

/** Stable names: claims of the result. */
export type CheckName =
  | 'form'
  | 'enrolment'
  | 'ak-attributes'
  | 'tpm'
  | 'quote-signature'
  | 'quote-magic'
  | 'quote-type'
  | 'pcr-selection'
  | 'pcr-values'
  | 'reference-pcrs'
  | 'statement'
  | 'nonce'
  | 'clock'
  | 'event-log'
  | 'ima-log'
  | 'images'
  | 'policy'
  | 'layers'
  | 'audit'
  | 'audit-key'
  | 'token-keys'
  | 'sessions'
  | 'counter'
  | 'kill-epoch';

export interface Check {
  readonly name: CheckName;
  readonly outcome: Outcome;
  readonly reason: string;
}

export const passed = (name: CheckName, reason = ''): Check => ({ name, outcome: 'success', reason });
export const failed = (name: CheckName, reason: string): Check => ({ name, outcome: 'fail', reason });
export const notRun = (name: CheckName, reason: string): Check => ({ name, outcome: 'not-run', reason });
export const absent = (name: CheckName, reason: string): Check => ({ name, outcome: 'absent', reason });

/** Undefined `problem`: passed. */
export const judged = (name: CheckName, problem: string | undefined, fine = ''): Check =>
  problem === undefined ? passed(name, fine) : failed(name, problem);

/** Whatever a look throws is a failed check: evidence is hostile. */
export function look(name: CheckName, work: () => Check): Check {
  try {
    return work();
  } catch (error) {
    return failed(name, error instanceof Error ? error.message : String(error));
  }
}

export const accepted = (checks: readonly Check[]): boolean =>
  checks.length > 0 && checks.every(({ outcome }) => outcome !== 'fail');
