// Secrets of this machine: readable by its TPM while the PCRs are as they were, and by the administrator's escrow key
// when an update of firmware has changed them.
import { randomBytes } from 'node:crypto';
import {
  create,
  createPrimary,
  held,
  load,
  policyPcr,
  readPcrs,
  startSession,
  TpmError,
  unseal,
} from '../../native-bindings/tpm/mod.ts';
import type { Loaded, Tpm, Transport } from '../../native-bindings/tpm/mod.ts';
import {
  ALG,
  ascending,
  hashNamed,
  pcrDigest,
  pcrPolicy,
  readCreationData,
  RH,
  templates,
} from '../../native-bindings/tpm/wire/mod.ts';
import { boxUp, maxSealedData, toEscrow, unbox } from '../evidence/mod.ts';
import type { Sealed } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';

const keySize = 32;

export interface SealOptions {
  /** What the object's creation data shall say: a digest. */
  readonly about?: Buffer;
  readonly bank: string;
  readonly pcrs: readonly number[];
  /** PEM of the public key. There is no sealing without a way back. */
  readonly escrow: string;
}

function bankOf(bank: string): number {
  const alg = hashNamed(bank);
  if (alg === undefined) throw new CordonError('config-invalid', `there is no PCR bank ${bank}`);
  return alg;
}

/** What was sealed, and the key of its box: who keeps it may change the content and need not ask the TPM. */
export interface FreshlySealed {
  readonly sealed: Sealed;
  readonly key: Buffer;
}

export const storageRoot = (transport: Transport): Promise<Loaded> =>
  createPrimary(transport, RH.OWNER, templates.storageP256);

/** To the values that the PCRs have now. */
export async function sealUp(
  tpm: Tpm,
  data: Uint8Array,
  { bank, pcrs, escrow, about }: SealOptions,
): Promise<FreshlySealed> {
  if (data.length > maxSealedData) throw new CordonError('limit', `more than ${maxSealedData} bytes to seal`);
  const alg = bankOf(bank);
  const key = randomBytes(keySize);
  const kept = toEscrow(key, escrow);
  const { creationData, ticket, ...wrapped } = await tpm.use(async (transport) => {
    const values = await readPcrs(transport, { alg, pcrs });
    const template = templates.sealed(pcrPolicy(alg, values));
    const creationPcrs = { alg, pcrs: ascending(pcrs) };
    const made = await held(transport, storageRoot(transport), (parent) =>
      held(transport, startSession(transport, 'hmac', parent), (session) =>
        create(transport, parent, template, {
          authorisation: { session },
          data: key,
          creationPcrs,
          ...(about === undefined ? {} : { outsideInfo: about }),
        }),
      ),
    );
    if (!readCreationData(made.creationData).pcrDigest.equals(pcrDigest(ALG.SHA256, values)))
      throw new CordonError('unavailable', 'the PCRs changed while it was sealed', { fix: 'try again' });
    return made;
  });
  const sealed: Sealed = {
    type: 'cordon-sealed/1',
    bank,
    pcrs: ascending(pcrs),
    ...wrapped,
    creation: { data: creationData, ticket },
    escrow: kept,
    box: boxUp(key, data),
  };
  return { sealed, key };
}

export const seal = async (tpm: Tpm, data: Uint8Array, options: SealOptions): Promise<Sealed> =>
  (await sealUp(tpm, data, options)).sealed;

const changed = (error: unknown): never => {
  if (
    error instanceof TpmError &&
    ['POLICY_FAIL', 'PCR_CHANGED', 'VALUE', 'INTEGRITY'].includes(error.response)
  )
    throw new CordonError(
      'not-permitted',
      `the TPM does not give it out: the machine was started otherwise, or it is another (${error.message})`,
      { fix: 'cordon attest recover, with the escrow key', cause: error },
    );
  throw error;
};

/** What the secret is told to must be the parent it was sealed under, and not somebody on the bus. */
function checkParent({ creation }: Sealed, parent: Loaded): void {
  if (creation === undefined || readCreationData(creation.data).parentName.equals(parent.name)) return;
  throw new CordonError('not-permitted', 'the TPM has another storage key: it was cleared, or is another', {
    fix: 'cordon attest recover, with the escrow key',
  });
}

/** The key of its box. Rejects with CordonError('not-permitted') when the machine was started otherwise. */
export function openKey(tpm: Tpm, sealed: Sealed): Promise<Buffer> {
  const selection = { alg: bankOf(sealed.bank), pcrs: sealed.pcrs };
  return tpm
    .use((transport) =>
      held(transport, storageRoot(transport), (parent) => {
        checkParent(sealed, parent);
        return held(transport, load(transport, parent, sealed), (object) =>
          held(transport, startSession(transport, 'policy', parent), async (session) => {
            await policyPcr(transport, session, selection);
            return unseal(transport, object, { session });
          }),
        );
      }),
    )
    .catch(changed);
}

export const open = async (tpm: Tpm, sealed: Sealed): Promise<Buffer> =>
  unbox(await openKey(tpm, sealed), sealed.box);
