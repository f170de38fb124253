// An administrator's escrow key. Made once a process: 3072 bits take their time.
import { generateKeyPairSync } from 'node:crypto';

export interface EscrowKeys {
  /** PEM. */
  readonly publicKey: string;
  readonly privateKey: string;
}

let made: EscrowKeys | undefined;

export function escrowKeys(): EscrowKeys {
  made ??= generateKeyPairSync('rsa', {
    modulusLength: 3072,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return made;
}
