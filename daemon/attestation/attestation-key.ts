// The attestation key: a primary of the endorsement hierarchy. Made anew for each use from the TPM's own seed, it is the
// same every time and leaves nothing to store, steal or lose.
import { createPrimary, held, TpmError } from '../../native-bindings/tpm/mod.ts';
import type { Loaded, Transport } from '../../native-bindings/tpm/mod.ts';
import { RH, templates } from '../../native-bindings/tpm/wire/mod.ts';

/** RSA where the TPM has no P-256. */
async function make(transport: Transport): Promise<Loaded> {
  try {
    return await createPrimary(transport, RH.ENDORSEMENT, templates.akP256);
  } catch (error) {
    const lacking =
      error instanceof TpmError && ['CURVE', 'VALUE', 'TYPE', 'SCHEME'].includes(error.response);
    if (!lacking) throw error;
    return createPrimary(transport, RH.ENDORSEMENT, templates.akRsa2048);
  }
}

export const withAttestationKey = <T>(transport: Transport, work: (key: Loaded) => Promise<T>): Promise<T> =>
  held(transport, make(transport), work);
