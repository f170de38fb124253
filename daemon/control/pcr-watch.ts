// Whether the PCRs still have the values that a verifier accepted. What is measured later (another kernel by kexec, a
// driver's firmware) must not pass for what was attested. IMA's register is not watched: it changes with every program.
import type { Attester } from '../attestation/mod.ts';
import { imaPcr } from '../evidence/mod.ts';
import { asCordonError } from '../wire/mod.ts';

/** Hexadecimal, by PCR. */
export type PcrTexts = Readonly<Record<string, string>>;

export const pcrTexts = (pcrs: ReadonlyMap<number, Buffer>): PcrTexts =>
  Object.fromEntries([...pcrs].map(([pcr, value]) => [String(pcr), value.toString('hex')]));

/** Milliseconds that a look counts. */
const patience = 5000;

export class PcrWatch {
  readonly #attester: Pick<Attester, 'pcrs'>;
  #expected: PcrTexts | undefined;
  #looked = -Infinity;

  constructor(attester: Pick<Attester, 'pcrs'>) {
    this.#attester = attester;
  }

  get expected(): PcrTexts | undefined {
    return this.#expected;
  }

  /** Those that were quoted for the verdict that counts. */
  expect(pcrs: PcrTexts): void {
    this.#expected = pcrs;
    this.#looked = -Infinity;
  }

  /** Why the verdict does not count any more; undefined: it does. A TPM that cannot be asked proves nothing. */
  async changed(): Promise<string | undefined> {
    const expected = this.#expected;
    if (expected === undefined) return 'nobody knows which state of the machine was attested';
    if (performance.now() - this.#looked < patience) return undefined;
    try {
      const now = pcrTexts(await this.#attester.pcrs());
      // One that is in only one of them changed too. IMA’s was quoted where there is IMA, and is not looked at.
      const watched = Object.keys({ ...expected, ...now }).filter((pcr) => pcr !== String(imaPcr));
      const other = watched.filter((pcr) => expected[pcr] !== now[pcr]);
      if (other.length > 0) return `PCR ${other.join(', ')} changed since the machine was attested`;
      this.#looked = performance.now();
      return undefined;
    } catch (error) {
      return `the TPM could not be asked whether the machine is what was attested: ${asCordonError(error).message}`;
    }
  }
}
