// The attestation key: a primary of the endorsement hierarchy. Made from the TPM's own seed, it is the same every time and
// leaves nothing to store, steal or lose. It is in the TPM only while it is used.
import { createPrimary, recalled, TpmError } from '../../native-bindings/tpm/mod.ts';
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

export const attestationKey = (): ((transport: Transport) => Promise<Loaded>) => recalled(make);
