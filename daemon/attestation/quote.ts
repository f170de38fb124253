// Evidence: statement, quote, PCR values and counter, all over one digest, in one go at the TPM.
import { createHash } from 'node:crypto';
import {
  certify,
  certifyCreation,
  certifyNv,
  held,
  load,
  quote,
  readPcrs,
  together,
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

interface Agreeing {
  readonly signed: SignedBytes;
  readonly values: PcrValues;
}

/** Values and quote are not taken at once: something may be measured between. */
async function agreeing(
  transport: Transport,
  key: Loaded,
  qualifying: Buffer,
  selection: PcrSelection,
): Promise<Agreeing> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const [values, signed] = await together<[PcrValues, SignedBytes]>(
      readPcrs(transport, selection),
      quote(transport, key, qualifying, selection),
    );
    const facts = readAttest(signed.attest);
    const { hash } = readSignature(signed.signature);
    if (facts.type === 'quote' && pcrDigest(hash, values).equals(facts.pcrDigest)) return { signed, values };
  }
  throw new CordonError('unavailable', `the PCRs changed during each of ${attempts} quotes`, {
    fix: 'try again when the machine is calmer',
  });
}

/** What another TPM, or this one before it was cleared, had wrapped. */
const isUnknownHere = (error: unknown): boolean =>
  error instanceof TpmError && ['INTEGRITY', 'TICKET', 'VALUE'].includes(error.response);

/** Nothing when the TPM does not know the object any more: the verifier then sees that it is not shown. */
async function shown<T>(
  transport: Transport,
  root: Loaded,
  wrapped: Wrapped,
  certified: (object: Loaded) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await held(transport, load(transport, root, wrapped), certified);
  } catch (error) {
    if (isUnknownHere(error)) return undefined;
    throw error;
  }
}

async function recordKeyOf(
  transport: Transport,
  key: Loaded,
  root: Loaded,
  sealed: Sealed | undefined,
  digest: Buffer,
): Promise<RecordKeyEvidence | undefined> {
  const creation = sealed?.creation;
  if (sealed === undefined || creation === undefined) return undefined;
  const creationHash = createHash('sha256').update(creation.data).digest();
  const { ticket, data: creationData } = creation;
  const certified = await shown(transport, root, sealed, (object) =>
    certifyCreation(transport, key, object, digest, { creationHash, ticket }),
  );
  return certified && { ...certified, publicArea: sealed.publicArea, creationData };
}

interface ObjectsEvidence {
  readonly recordKey: RecordKeyEvidence | undefined;
  readonly tokenKeys: readonly TokenKeyEvidence[];
}

/** Objects below the storage root, loaded to be certified, one after the other: a TPM has room for three with the keys. */
async function certifiedObjects(
  transport: Transport,
  { key, root }: QuotingKeys,
  sealed: Sealed | undefined,
  wrapped: readonly Wrapped[],
  digest: Buffer,
): Promise<ObjectsEvidence> {
  if (sealed?.creation === undefined && wrapped.length === 0) return { recordKey: undefined, tokenKeys: [] };
  return held(transport, root(transport), async (parent) => {
    const recordKey = await recordKeyOf(transport, key, parent, sealed, digest);
    const tokenKeys: TokenKeyEvidence[] = [];
    for (const each of wrapped.slice(0, maxTokenKeys)) {
      const certified = await shown(transport, parent, each, (object) =>
        certify(transport, object, key, digest),
      );
      if (certified !== undefined) tokenKeys.push({ ...certified, publicArea: each.publicArea });
    }
    return { recordKey, tokenKeys };
  });
}

/** What a quote is made with. */
export interface QuotingKeys {
  /** The attestation key. */
  readonly key: Loaded;
  /** The storage root, for whatever is wrapped by it. */
  readonly root: (transport: Transport) => Promise<Loaded>;
  readonly counter: NvIndex;
}

export async function makeEvidence(
  transport: Transport,
  keys: QuotingKeys,
  statement: Statement,
  { bank, pcrs, logs, sealedKey, tokenKeys }: QuoteOptions,
): Promise<Evidence> {
  const alg = hashNamed(bank);
  if (alg === undefined) throw new CordonError('config-invalid', `there is no PCR bank ${bank}`);
  const { key, counter } = keys;
  const text = statementText(statement);
  const digest = statementDigest(text);
  const withIma = readImaLogFile(logs) !== undefined;
  const [sealed, wrapped] = [sealedKey?.(), tokenKeys?.() ?? []];
  const [{ signed, values }, counted, objects, eventLog] = await together<
    [Agreeing, SignedBytes, ObjectsEvidence, Buffer | undefined]
  >(
    agreeing(transport, key, digest, { alg, pcrs: pcrsToQuote(pcrs, withIma) }),
    certifyNv(transport, key, counter, digest),
    certifiedObjects(transport, keys, sealed, wrapped, digest),
    // Firmware has written it before we run; read while the TPM signs.
    Promise.resolve().then(() => readEventLogFile(logs)),
  );
  // Read after the quote: the list only grows, and the quoted value is that of one of its beginnings.
  const imaLog = withIma ? readImaLogFile(logs) : undefined;
  return {
    type: 'cordon-evidence/1',
    ak: key.publicArea,
    quote: signed,
    bank,
    pcrs: values,
    statement: text,
    counter: counted,
    ...(objects.recordKey === undefined ? {} : { recordKey: objects.recordKey }),
    ...(objects.tokenKeys.length === 0 ? {} : { tokenKeys: objects.tokenKeys }),
    ...(eventLog === undefined ? {} : { eventLog }),
    ...(imaLog === undefined ? {} : { imaLog }),
  };
}
