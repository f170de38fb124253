// A sealed file: data under a key that a TPM gives out while the PCRs are as they were, and that the administrator's
// escrow key opens too. What needs no TPM is here.
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { CordonError } from '../model/mod.ts';
import { Fields, parsed } from './json.ts';

export interface Sealed {
  readonly type: 'cordon-sealed/1';
  readonly bank: string;
  readonly pcrs: readonly number[];
  /** TPM2B contents of the sealed key: private and public area. */
  readonly privateArea: Buffer;
  readonly publicArea: Buffer;
  /** How the TPM came to create it: TPMS_CREATION_DATA and TPMT_TK_CREATION. */
  readonly creation?: { readonly data: Buffer; readonly ticket: Buffer };
  /** The same key for the escrow key: RSA-OAEP with SHA-256. */
  readonly escrow: Buffer;
  /** AES-256-GCM: nonce (12), tag (16), ciphertext. */
  readonly box: Buffer;
}

const nonceSize = 12;
const tagSize = 16;
const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const;
export const maxSealedData = 64 * 1024;

export function boxUp(key: Buffer, plain: Uint8Array): Buffer {
  const nonce = randomBytes(nonceSize);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

export function unbox(key: Buffer, box: Buffer): Buffer {
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, nonceSize), {
      authTagLength: tagSize,
    });
    cipher.setAuthTag(box.subarray(nonceSize, nonceSize + tagSize));
    return Buffer.concat([cipher.update(box.subarray(nonceSize + tagSize)), cipher.final()]);
  } catch (cause) {
    throw new CordonError('not-permitted', 'the sealed data were changed', { cause });
  }
}

/** Throws when `pem` is not a public RSA key of 3072 bits or more: what it opens must last. */
export function toEscrow(key: Buffer, pem: string): Buffer {
  const escrow = createPublicKey(pem);
  if (escrow.asymmetricKeyType !== 'rsa' || (escrow.asymmetricKeyDetails?.modulusLength ?? 0) < 3072)
    throw new CordonError('config-invalid', 'the escrow key is not an RSA key of at least 3072 bits', {
      fix: 'openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out escrow.key',
    });
  return publicEncrypt({ key: escrow, ...oaep }, key);
}

/** Without the TPM: with the private escrow key (PEM). */
export function openWithEscrow({ escrow, box }: Sealed, privateKey: string): Buffer {
  let key: Buffer;
  try {
    key = privateDecrypt({ key: createPrivateKey(privateKey), ...oaep }, escrow);
  } catch (cause) {
    throw new CordonError('not-permitted', 'this is not the escrow key it was sealed for', { cause });
  }
  return unbox(key, box);
}

export const sealedText = ({ type, bank, pcrs, ...bytes }: Sealed): string =>
  JSON.stringify({
    type,
    bank,
    pcrs,
    privateArea: bytes.privateArea.toString('base64'),
    publicArea: bytes.publicArea.toString('base64'),
    ...(bytes.creation === undefined
      ? {}
      : {
          creation: {
            data: bytes.creation.data.toString('base64'),
            ticket: bytes.creation.ticket.toString('base64'),
          },
        }),
    escrow: bytes.escrow.toString('base64'),
    box: bytes.box.toString('base64'),
  });

function pcr(where: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 24) return value;
  throw new CordonError('protocol', `${where} is not a PCR`);
}

function readCreation(fields: Fields): { data: Buffer; ticket: Buffer } {
  const creation = { data: fields.bytes('data'), ticket: fields.bytes('ticket') };
  fields.end();
  return creation;
}

/** Throws CordonError. */
export function readSealed(text: string): Sealed {
  const fields = new Fields('sealed', parsed('sealed', text));
  const result: Sealed = {
    type: fields.one('type', ['cordon-sealed/1']),
    bank: fields.text('bank', 16),
    pcrs: fields.list('pcrs', 24, pcr),
    privateArea: fields.bytes('privateArea'),
    publicArea: fields.bytes('publicArea'),
    ...(fields.has('creation') ? { creation: readCreation(fields.object('creation')) } : {}),
    escrow: fields.bytes('escrow'),
    box: fields.bytes('box', maxSealedData + nonceSize + tagSize),
  };
  fields.end();
  return result;
}
