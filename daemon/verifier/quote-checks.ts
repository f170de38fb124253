// The checks of the quote itself: signed by an attestation key, by the TPM's own doing, over exactly these PCRs.
import {
  ascending,
  hashLength,
  hashNamed,
  isGenerated,
  nameOf,
  pcrDigest,
  readAttest,
  readKey,
  readSignature,
  signedBy,
} from '../../native-bindings/tpm/wire/mod.ts';
import type { Attest, KeyPublic, QuoteAttest } from '../../native-bindings/tpm/wire/mod.ts';
import { readEventLog, readImaLog, replay, replayIma, imaPcr, resettablePcrs } from '../evidence/mod.ts';
import type { Evidence, SignedBytes } from '../evidence/mod.ts';
import { absent, failed, judged, look, notRun } from './checks.ts';
import type { Check } from './checks.ts';
import type { Expectations } from './expectations.ts';
import { attestationKeyProblem } from './keys.ts';

export const keyChecks = (ak: KeyPublic): Check[] => [
  judged('ak-attributes', attestationKeyProblem(ak), `Name ${nameOf(ak).toString('hex')}`),
];

export const isSigned = (ak: KeyPublic, { attest, signature }: SignedBytes): boolean =>
  signedBy(ak, attest, readSignature(signature));

/** Signature, magic, type. */
export function signatureChecks(evidence: Evidence): Check[] {
  let attest: Attest;
  let ak: KeyPublic;
  try {
    ak = readKey(evidence.ak);
    attest = readAttest(evidence.quote.attest);
  } catch (error) {
    return [failed('quote-signature', error instanceof Error ? error.message : String(error))];
  }
  return [
    ...keyChecks(ak),
    look('quote-signature', () =>
      judged(
        'quote-signature',
        isSigned(ak, evidence.quote) ? undefined : 'the attestation key did not sign this quote',
      ),
    ),
    judged('quote-magic', isGenerated(attest) ? undefined : 'the signed bytes were not made by a TPM'),
    judged(
      'quote-type',
      attest.type === 'quote' ? undefined : `what was signed is no quote but ${attest.type}`,
    ),
  ];
}

const list = (pcrs: readonly number[]): string => pcrs.join(', ');

function selectionProblem(
  quote: QuoteAttest,
  evidence: Evidence,
  { bank, pcrs }: Expectations,
): string | undefined {
  const [selected, ...others] = quote.selection;
  if (selected === undefined || others.length > 0) return `${quote.selection.length} banks were quoted`;
  if (selected.alg !== hashNamed(bank) || evidence.bank !== bank) return `the bank is not ${bank}`;
  const wanted = ascending(pcrs);
  const missing = wanted.filter((pcr) => !selected.pcrs.includes(pcr));
  if (missing.length > 0) return `PCR ${list(missing)} were not quoted`;
  const more = selected.pcrs.filter((pcr) => pcr !== imaPcr && !wanted.includes(pcr));
  if (more.length > 0) return `PCR ${list(more)} were quoted, and are not expected`;
  const resettable = selected.pcrs.filter((pcr) => resettablePcrs.includes(pcr));
  return resettable.length > 0 ? `PCR ${list(resettable)} can be reset by anybody` : undefined;
}

function valuesProblem(quote: QuoteAttest, evidence: Evidence, hash: number): string | undefined {
  const [selected] = quote.selection;
  if (list(selected?.pcrs ?? []) !== list([...evidence.pcrs.keys()]))
    return 'the values sent are of other PCRs than those quoted';
  // What is signed is a digest over all values in a row: cut elsewhere, they would still lead to it.
  const length = hashLength(selected?.alg ?? 0);
  const odd = [...evidence.pcrs].filter(([, value]) => value.length !== length).map(([pcr]) => pcr);
  if (odd.length > 0) return `the values of PCR ${list(odd)} are not as long as the bank's digests`;
  return pcrDigest(hash, evidence.pcrs).equals(quote.pcrDigest)
    ? undefined
    : 'the values sent are not those quoted';
}

function referenceCheck({ pcrs }: Evidence, { pcrValues }: Expectations): Check {
  if (pcrValues.size === 0) return notRun('reference-pcrs', 'there are no reference values for PCRs');
  const wrong = [...pcrValues].filter(([pcr, fine]) => !fine.includes(pcrs.get(pcr)?.toString('hex') ?? ''));
  return judged(
    'reference-pcrs',
    wrong.length === 0
      ? undefined
      : `PCR ${list(wrong.map(([pcr]) => pcr))} have values that are not expected`,
  );
}

/** Where firmware measures before any program of the machine's runs. */
const firmwarePcrs: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];

/** Quoted, extended, and in no entry of the log: whoever may leave entries out explains what he likes. */
const unexplained = (pcrs: Evidence['pcrs'], values: ReadonlyMap<number, Buffer>): number[] =>
  firmwarePcrs.filter((pcr) => !values.has(pcr) && pcrs.get(pcr)?.some((byte) => byte !== 0) === true);

function eventLogCheck({ eventLog, pcrs, bank }: Evidence, { requireEventLog }: Expectations): Check {
  if (eventLog === undefined || eventLog.length === 0)
    return requireEventLog
      ? failed('event-log', 'there is no event log')
      : absent('event-log', 'there is no event log');
  const values = replay(readEventLog(eventLog), hashNamed(bank) ?? 0);
  const wrong = [...values].filter(([pcr, value]) => pcrs.has(pcr) && pcrs.get(pcr)?.equals(value) !== true);
  const covered = [...values.keys()].filter((pcr) => pcrs.has(pcr));
  const silent = unexplained(pcrs, values);
  if (silent.length > 0) return failed('event-log', `the event log says nothing of PCR ${list(silent)}`);
  if (covered.length === 0 && requireEventLog)
    return failed('event-log', 'the event log explains none of the quoted PCRs');
  return judged(
    'event-log',
    wrong.length === 0
      ? undefined
      : `the event log does not lead to the quoted PCR ${list(wrong.map(([pcr]) => pcr))}`,
    `it leads to PCR ${list(ascending(covered))}`,
  );
}

function imaCheck({ imaLog, pcrs, bank }: Evidence): Check {
  if (imaLog === undefined || imaLog.length === 0) return absent('ima-log', 'there is no IMA log');
  const quoted = pcrs.get(imaPcr);
  if (quoted === undefined) return failed('ima-log', `PCR ${imaPcr} was not quoted`);
  const values = replayIma(readImaLog(imaLog), hashNamed(bank) ?? 0);
  return judged(
    'ima-log',
    values.some((value) => value.equals(quoted)) ? undefined : `it does not lead to the quoted PCR ${imaPcr}`,
  );
}

/** PCRs, their reference values, and the logs that explain them. */
export function pcrChecks(evidence: Evidence, expectations: Expectations): Check[] {
  return [
    look('pcr-selection', () => {
      const quote = readAttest(evidence.quote.attest);
      if (quote.type !== 'quote') return failed('pcr-selection', 'there is no quote');
      return judged('pcr-selection', selectionProblem(quote, evidence, expectations));
    }),
    look('pcr-values', () => {
      const quote = readAttest(evidence.quote.attest);
      if (quote.type !== 'quote') return failed('pcr-values', 'there is no quote');
      return judged('pcr-values', valuesProblem(quote, evidence, schemeHashOf(evidence)));
    }),
    referenceCheck(evidence, expectations),
    look('event-log', () => eventLogCheck(evidence, expectations)),
    look('ima-log', () => imaCheck(evidence)),
  ];
}

/** The digest over PCRs is made with the hash of the signature's scheme (Part 3, 18.4). */
const schemeHashOf = (evidence: Evidence): number => readSignature(evidence.quote.signature).hash;
