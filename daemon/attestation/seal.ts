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
import type { Tpm } from '../../native-bindings/tpm/mod.ts';
import { hashNamed, pcrPolicy, RH, templates } from '../../native-bindings/tpm/wire/mod.ts';
import { boxUp, maxSealedData, toEscrow, unbox } from '../evidence/mod.ts';
import type { Sealed } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';

const keySize = 32;

export interface SealOptions {
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

/** To the values that the PCRs have now. */
export async function seal(tpm: Tpm, data: Uint8Array, { bank, pcrs, escrow }: SealOptions): Promise<Sealed> {
  if (data.length > maxSealedData) throw new CordonError('limit', `more than ${maxSealedData} bytes to seal`);
  const alg = bankOf(bank);
  const key = randomBytes(keySize);
  const kept = toEscrow(key, escrow);
  const wrapped = await tpm.use(async (transport) => {
    const policy = pcrPolicy(alg, await readPcrs(transport, { alg, pcrs }));
    return held(transport, createPrimary(transport, RH.OWNER, templates.storageP256), (parent) =>
      held(transport, startSession(transport, 'hmac', parent), (session) =>
        create(transport, parent, templates.sealed(policy), { authorisation: { session }, data: key }),
      ),
    );
  });
  return { type: 'cordon-sealed/1', bank, pcrs, ...wrapped, escrow: kept, box: boxUp(key, data) };
}

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

export async function open(tpm: Tpm, sealed: Sealed): Promise<Buffer> {
  const { bank, pcrs, box } = sealed;
  const selection = { alg: bankOf(bank), pcrs };
  const key = await tpm
    .use((transport) =>
      held(transport, createPrimary(transport, RH.OWNER, templates.storageP256), (parent) =>
        held(transport, load(transport, parent, sealed), (object) =>
          held(transport, startSession(transport, 'policy', parent), async (session) => {
            await policyPcr(transport, session, selection);
            return unseal(transport, object, { session });
          }),
        ),
      ),
    )
    .catch(changed);
  return unbox(key, box);
}
