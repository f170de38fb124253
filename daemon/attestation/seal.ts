// Secrets of this machine: readable by its TPM while the PCRs are as they were, and by the administrator's escrow key
// when an update of firmware has changed them.
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  constants,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
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
import { Fields } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';

export interface Sealed {
  readonly type: 'cordon-sealed/1';
  readonly bank: string;
  readonly pcrs: readonly number[];
  /** TPM2B contents of the sealed key: private and public area. */
  readonly privateArea: Buffer;
  readonly publicArea: Buffer;
  /** The same key for the escrow key: RSA-OAEP with SHA-256. */
  readonly escrow: Buffer;
  /** AES-256-GCM: nonce (12), tag (16), ciphertext. */
  readonly box: Buffer;
}

const keySize = 32;
const nonceSize = 12;
const tagSize = 16;
const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const;
export const maxSealedData = 64 * 1024;

function encrypt(key: Buffer, plain: Uint8Array): Buffer {
  const nonce = randomBytes(nonceSize);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

function decrypt(key: Buffer, box: Buffer): Buffer {
  const cipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, nonceSize), { authTagLength: tagSize });
  cipher.setAuthTag(box.subarray(nonceSize, nonceSize + tagSize));
  try {
    return Buffer.concat([cipher.update(box.subarray(nonceSize + tagSize)), cipher.final()]);
  } catch (cause) {
    throw new CordonError('not-permitted', 'the sealed data were changed', { cause });
  }
}

/** Throws when the escrow key is not an RSA key of 3072 bits or more: what it holds must last. */
function escrowKey(pem: string): ReturnType<typeof createPublicKey> {
  const key = createPublicKey(pem);
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 3072) return key;
  throw new CordonError('config-invalid', 'the escrow key is not an RSA key of at least 3072 bits', {
    fix: 'openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out escrow.key',
  });
}

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
  const kept = publicEncrypt({ key: escrowKey(escrow), ...oaep }, key);
  const wrapped = await tpm.use(async (transport) => {
    const policy = pcrPolicy(alg, await readPcrs(transport, { alg, pcrs }));
    return held(transport, createPrimary(transport, RH.OWNER, templates.storageP256), (parent) =>
      held(transport, startSession(transport, 'hmac', parent), (session) =>
        create(transport, parent, templates.sealed(policy), { authorisation: { session }, data: key }),
      ),
    );
  });
  return { type: 'cordon-sealed/1', bank, pcrs, ...wrapped, escrow: kept, box: encrypt(key, data) };
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
  return decrypt(key, box);
}

/** Without the TPM: with the private escrow key (PEM). */
export function openWithEscrow({ escrow, box }: Sealed, privateKey: string): Buffer {
  let key: Buffer;
  try {
    key = privateDecrypt({ key: createPrivateKey(privateKey), ...oaep }, escrow);
  } catch (cause) {
    throw new CordonError('not-permitted', 'this is not the escrow key it was sealed for', { cause });
  }
  return decrypt(key, box);
}

export const sealedText = ({ type, bank, pcrs, ...bytes }: Sealed): string =>
  JSON.stringify({
    type,
    bank,
    pcrs,
    privateArea: bytes.privateArea.toString('base64'),
    publicArea: bytes.publicArea.toString('base64'),
    escrow: bytes.escrow.toString('base64'),
    box: bytes.box.toString('base64'),
  });

export function readSealed(text: string): Sealed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CordonError('protocol', 'the sealed file is not JSON', { cause });
  }
  const fields = new Fields('sealed', value);
  const pcr = (where: string, each: unknown): number => {
    if (typeof each === 'number' && Number.isInteger(each) && each >= 0 && each < 24) return each;
    throw new CordonError('protocol', `${where} is not a PCR`);
  };
  const result: Sealed = {
    type: fields.one('type', ['cordon-sealed/1']),
    bank: fields.text('bank', 16),
    pcrs: fields.list('pcrs', 24, pcr),
    privateArea: fields.bytes('privateArea'),
    publicArea: fields.bytes('publicArea'),
    escrow: fields.bytes('escrow'),
    box: fields.bytes('box', maxSealedData + nonceSize + tagSize),
  };
  fields.end();
  return result;
}
