// A journal that a test writes, and what a log made of it must show: for tests that harm either.
import { appendFileSync } from 'node:fs';
import { softwareSigner } from '../../daemon/audit/mod.ts';
import type { Audit } from '../../daemon/audit/mod.ts';
import type { VerifyResult } from '../../daemon/audit/verify/result.ts';
import { verifyDatabase } from '../../daemon/audit/verify/verify.ts';
import { sampleFrame } from './records.ts';

export const session = 'abcd2345';

export interface WrittenJournal {
  readonly path: string;
  /** Records so far: their numbers go from 1 to this. */
  written: number;
  readonly write: (count: number) => void;
}

export function journalAt(path: string): WrittenJournal {
  const journal: WrittenJournal = {
    path,
    written: 0,
    write: (count) => {
      const frames = Array.from({ length: count }, () => {
        journal.written += 1;
        return sampleFrame(session, journal.written);
      });
      appendFileSync(path, Buffer.concat(frames));
    },
  };
  return journal;
}

export function verifyFiles(database: string, more: object = {}): Promise<VerifyResult> {
  const { publicKey } = softwareSigner(`${database}.key`);
  return verifyDatabase({ database, publicKey, witnesses: [], ...more }, () => undefined);
}

/** Numbers of the session's records that are in the log, by its entries' ids. */
export const numbersIn = (audit: Audit): number[] =>
  audit
    .entries({ after: -1, limit: 1e6 })
    .filter(({ uid }) => uid.startsWith(session))
    .map(({ uid }) => Number(uid.split('-')[1]));

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
