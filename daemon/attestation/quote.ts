// Evidence: statement, quote, PCR values and counter, all over one digest, in one go at the TPM.
import { createHash } from 'node:crypto';
import {
  certify,
  certifyCreation,
  certifyNv,
  quote,
  readPcrs,
  TpmError,
} from '../../native-bindings/tpm/mod.ts';
import type { Loaded, NvIndex, Transport, Wrapped } from '../../native-bindings/tpm/mod.ts';
import { hashNamed, pcrDigest, readAttest, readSignature } from '../../native-bindings/tpm/wire/mod.ts';
import type { PcrSelection, PcrValues } from '../../native-bindings/tpm/wire/mod.ts';
import { maxTokenKeys, pcrsToQuote, statementDigest, statementText } from '../evidence/mod.ts';
import type {
  Evidence,
  RecordKeyEvidence,
  Sealed,
  SignedBytes,
  Statement,
  TokenKeyEvidence,
} from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';
import { readEventLogFile, readImaLogFile } from './measured-logs.ts';
import type { LogPlaces } from './measured-logs.ts';
import { withWrapped } from './seal.ts';

export interface QuoteOptions {
  /** What seals the key of the record's checkpoints; undefined: that key is a file. */
  readonly sealedKey?: () => Sealed | undefined;
  /** Published token keys that are in the TPM. */
  readonly tokenKeys?: () => readonly Wrapped[];
  readonly bank: string;
  readonly pcrs: readonly number[];
  readonly logs: LogPlaces;
}

const attempts = 8;

/** Values and quote are not taken at once: something may be measured between. */
async function agreeing(
  transport: Transport,
  key: Loaded,
  qualifying: Buffer,
  selection: PcrSelection,
): Promise<{ readonly signed: SignedBytes; readonly values: PcrValues }> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const values = await readPcrs(transport, selection);
    const signed = await quote(transport, key, qualifying, selection);
    const facts = readAttest(signed.attest);
    const { hash } = readSignature(signed.signature);
    if (facts.type === 'quote' && pcrDigest(hash, values).equals(facts.pcrDigest)) return { signed, values };
  }
  throw new CordonError('unavailable', `the PCRs changed during each of ${attempts} quotes`, {
    fix: 'try again when the machine is calmer',
  });
}

/** Nothing when the TPM does not know the object any more: the verifier then sees that it is not shown. */
async function certifiedKey(
  transport: Transport,
  key: Loaded,
  sealed: Sealed | undefined,
  digest: Buffer,
): Promise<RecordKeyEvidence | undefined> {
  const creation = sealed?.creation;
  if (sealed === undefined || creation === undefined) return undefined;
  const creationHash = createHash('sha256').update(creation.data).digest();
  const { ticket, data: creationData } = creation;
  try {
    const certified = await withWrapped(transport, sealed, (object) =>
      certifyCreation(transport, key, object, digest, { creationHash, ticket }),
    );
    return { ...certified, publicArea: sealed.publicArea, creationData };
  } catch (error) {
    if (isUnknownHere(error)) return undefined;
    throw error;
  }
}

/** What another TPM, or this one before it was cleared, had wrapped. */
const isUnknownHere = (error: unknown): boolean =>
  error instanceof TpmError && ['INTEGRITY', 'TICKET', 'VALUE'].includes(error.response);

/** Those that the TPM still knows. */
async function certifiedTokenKeys(
  transport: Transport,
  key: Loaded,
  wrapped: readonly Wrapped[],
  digest: Buffer,
): Promise<readonly TokenKeyEvidence[]> {
  const found: TokenKeyEvidence[] = [];
  for (const each of wrapped.slice(0, maxTokenKeys)) {
    const certified = withWrapped(transport, each, (object) => certify(transport, object, key, digest));
    try {
      found.push({ ...(await certified), publicArea: each.publicArea });
    } catch (error) {
      if (!isUnknownHere(error)) throw error;
    }
  }
  return found;
}

export async function makeEvidence(
  transport: Transport,
  key: Loaded,
  counter: NvIndex | undefined,
  statement: Statement,
  { bank, pcrs, logs, sealedKey, tokenKeys }: QuoteOptions,
): Promise<Evidence> {
  const alg = hashNamed(bank);
  if (alg === undefined) throw new CordonError('config-invalid', `there is no PCR bank ${bank}`);
  const text = statementText(statement);
  const digest = statementDigest(text);
  const withIma = readImaLogFile(logs) !== undefined;
  const { signed, values } = await agreeing(transport, key, digest, {
    alg,
    pcrs: pcrsToQuote(pcrs, withIma),
  });
  const certified = counter === undefined ? undefined : await certifyNv(transport, key, counter, digest);
  const recordKey = await certifiedKey(transport, key, sealedKey?.(), digest);
  const tokens = await certifiedTokenKeys(transport, key, tokenKeys?.() ?? [], digest);
  const eventLog = readEventLogFile(logs);
  // Read after the quote: the list only grows, and the quoted value is that of one of its beginnings.
  const imaLog = withIma ? readImaLogFile(logs) : undefined;
  return {
    type: 'cordon-evidence/1',
    ak: key.publicArea,
    quote: signed,
    bank,
    pcrs: values,
    statement: text,
    ...(certified === undefined ? {} : { counter: certified }),
    ...(recordKey === undefined ? {} : { recordKey }),
    ...(tokens.length === 0 ? {} : { tokenKeys: tokens }),
    ...(eventLog === undefined ? {} : { eventLog }),
    ...(imaLog === undefined ? {} : { imaLog }),
  };
}
