// What a verifier remembers of an endpoint: nothing of it may go back.
import type { QuoteAttest } from '../../native-bindings/tpm/wire/mod.ts';
import type { Statement } from '../evidence/mod.ts';

export interface Memory {
  readonly resetCount: number;
  readonly restartCount: number;
  /** Milliseconds, decimal: beyond what a number holds exactly. */
  readonly clock: string;
  /** Of the rollback counter, decimal. */
  readonly counter: string;
  /** Name of that counter, hexadecimal; empty or missing: there was none. */
  readonly counterName?: string;
  readonly auditOrigin: string;
  readonly auditSize: number;
  readonly auditRoot: string;
  readonly auditKey: string;
  /** The TPM was shown to seal that key; missing: it was not. */
  readonly auditKeySealed?: boolean;
  readonly killEpoch: number;
}

/** Why the TPM's time went back; undefined: it did not. `safe` false: the clock may repeat after an abrupt power loss. */
export function timeProblem(quote: QuoteAttest, memory: Memory | undefined): string | undefined {
  if (memory === undefined) return undefined;
  const { resetCount, restartCount, clock, safe } = quote;
  if (resetCount < memory.resetCount)
    return `the TPM had been reset ${memory.resetCount} times and says ${resetCount} now: it was cleared, or is another`;
  const sameBoot = resetCount === memory.resetCount;
  if (sameBoot && restartCount < memory.restartCount) return 'the TPM’s restart counter went back';
  if ((sameBoot || safe) && clock < BigInt(memory.clock)) return 'the TPM’s clock went back: an old quote';
  return undefined;
}

export const remembered = (
  quote: QuoteAttest,
  { audit, killEpoch }: Statement,
  counterName: string,
  auditKeySealed: boolean,
): Memory => ({
  resetCount: quote.resetCount,
  restartCount: quote.restartCount,
  clock: String(quote.clock),
  counter: String(audit.counter),
  counterName,
  auditOrigin: audit.origin,
  auditSize: audit.size,
  auditRoot: audit.root,
  auditKey: audit.key,
  auditKeySealed,
  killEpoch,
});
