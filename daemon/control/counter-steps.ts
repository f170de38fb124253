// The TPM's counter follows the checkpoints: a step for each, several within a minute sharing one, for a TPM's memory
// wears. Begins with the first quote or enrolment: a machine that proves nothing to anybody wears nothing.
import type { Attester, Tally } from '../attestation/mod.ts';
import type { NewRecord } from '../model/mod.ts';
import { asCordonError } from '../wire/mod.ts';

export interface CounterStepsParts {
  readonly attester: Pick<Attester, 'step' | 'tally'>;
  readonly note: (record: NewRecord) => void;
  /** Milliseconds between two steps. */
  readonly interval: number;
}

export class CounterSteps {
  readonly #parts: CounterStepsParts;
  #timer: NodeJS.Timeout | undefined;
  #last = -Infinity;
  #failing = false;
  #stopped = false;

  constructor(parts: CounterStepsParts) {
    this.#parts = parts;
  }

  /** A checkpoint was signed. Returns at once. */
  due(): void {
    const { attester, interval } = this.#parts;
    if (this.#stopped || this.#timer !== undefined || attester.tally.counter === 0) return;
    const wait = Math.max(0, this.#last + interval - performance.now());
    this.#timer = setTimeout(() => void this.#step(), wait).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #step(): Promise<void> {
    this.#timer = undefined;
    this.#last = performance.now();
    try {
      await this.watched(() => this.#parts.attester.step());
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        process.stderr.write(
          `cordond: the counter did not follow the record: ${asCordonError(error).message}\n`,
        );
      this.#failing = true;
    }
  }

  /** Work that may find the counter ahead of the record: that is on record, and in every statement from then on. */
  async watched<T>(work: () => Promise<T>): Promise<T> {
    const { attester, note } = this.#parts;
    const before = attester.tally;
    const result = await work();
    const ahead = aheadBy(before, attester.tally);
    if (ahead > 0)
      note({
        kind: 'finding',
        operation: 'counter-ahead',
        object: 'this machine',
        disposition: 'observed',
        layer: 'daemon',
        reason: `the TPM's counter is ${ahead} steps ahead of the record: an older record was put back, or the counter was made anew or stepped by others`,
        detail: { ahead },
      });
    return result;
  }
}

const aheadBy = (before: Tally, after: Tally): number => after.lost - before.lost;
