// Keys that sign checkpoints. The software key is a file that only root reads; a key that hardware certifies has the
// same shape.
import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CordonError } from '../model/mod.ts';
import { rawPublicKey } from '../proof/mod.ts';
import { readIfThere, writeDurably } from '../../native-bindings/files/mod.ts';

export interface Signer {
  /** A log's origin, and the name of the key in its signatures, is this, a slash and the log's number. */
  readonly keyName: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Why it cannot sign now: entries are kept, and signed later. */
  readonly problem?: () => CordonError | undefined;
}

/** A name that no other key has. */
export const keyNameOf = (publicKey: Uint8Array): string =>
  `cordon-log/${hash('sha256', publicKey, 'hex').slice(0, 16)}`;

/** The key in this file (PKCS #8, PEM), made when it is not there. Throws CordonError when it is no such key. */
export function softwareSigner(path: string): Signer {
  if (readIfThere(path) === undefined) {
    const { privateKey } = generateKeyPairSync('ed25519');
    writeDurably(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  }
  try {
    const privateKey = createPrivateKey(readFileSync(path));
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('it is not an Ed25519 key');
    const publicKey = rawPublicKey(createPublicKey(privateKey));
    return { keyName: keyNameOf(publicKey), publicKey, sign: (message) => sign(null, message, privateKey) };
  } catch (error) {
    throw new CordonError('unavailable', `cannot use the log's key ${path}: ${String(error)}`, {
      fix: 'restore it, or move it away: a new log then begins under a new key, and says so',
      cause: error,
    });
  }
}
