// Secrets for a TPM's storage key, made without a TPM: session salts, and TPM2_MakeCredential (Part 1, 24).
import {
  constants,
  createCipheriv,
  diffieHellman,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { concat, empty, put, Reader, TpmWireError } from './bytes.ts';
import { hashLength, hashName, hmac } from './hash.ts';
import { kdfA, kdfE } from './kdf.ts';
import { curveOf, keyObjectOf, padded } from './public.ts';
import type { EccPublic, KeyPublic, RsaPublic } from './public.ts';

/** What the secret is for; part of its derivation. */
export type SecretLabel = 'IDENTITY' | 'SECRET';

export interface EncryptedSecret {
  readonly secret: Buffer;
  /** TPM2B_ENCRYPTED_SECRET, without its size. */
  readonly encrypted: Buffer;
}

function toRsa(key: RsaPublic, label: SecretLabel): EncryptedSecret {
  const secret = randomBytes(hashLength(key.nameAlg));
  const options = {
    key: keyObjectOf(key),
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: hashName(key.nameAlg),
    oaepLabel: Buffer.from(`${label}\0`),
  };
  return { secret, encrypted: publicEncrypt(options, secret) };
}

function toEcc(key: EccPublic, label: SecretLabel): EncryptedSecret {
  const { name, length } = curveOf(key.curve);
  const own = generateKeyPairSync('ec', { namedCurve: name });
  const jwk = own.publicKey.export({ format: 'jwk' });
  const [x, y] = [jwk.x, jwk.y].map((coordinate) => Buffer.from(coordinate ?? '', 'base64url'));
  if (x === undefined || y === undefined) throw new TpmWireError('no point');
  const z = diffieHellman({ privateKey: own.privateKey, publicKey: keyObjectOf(key) });
  const bits = hashLength(key.nameAlg) * 8;
  return {
    secret: kdfE(key.nameAlg, z, label, x, padded(key.x, length), bits),
    encrypted: concat(put.sized(x), put.sized(y)),
  };
}

export const secretFor = (key: KeyPublic, label: SecretLabel): EncryptedSecret =>
  key.type === 'rsa' ? toRsa(key, label) : toEcc(key, label);

export interface Credential {
  /** TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, each without its size. */
  readonly idObject: Buffer;
  readonly encryptedSecret: Buffer;
}

/**
 * Only a TPM that holds `ek`, and an object named `akName` beside it, can give `secret` back (TPM2_ActivateCredential).
 * `secret` is at most a digest of the EK's name algorithm long.
 */
export function makeCredential(ek: KeyPublic, akName: Buffer, secret: Uint8Array): Credential {
  if (ek.symmetric === undefined) throw new TpmWireError('the endorsement key is no storage key');
  const size = hashLength(ek.nameAlg);
  if (secret.length > size) throw new TpmWireError(`a secret of ${secret.length} bytes, more than ${size}`);
  const { bits } = ek.symmetric;
  if (bits !== 128 && bits !== 256) throw new TpmWireError(`AES with ${bits} bits`);
  const { secret: seed, encrypted } = secretFor(ek, 'IDENTITY');
  const key = kdfA(ek.nameAlg, seed, 'STORAGE', akName, empty, bits);
  const cipher = createCipheriv(`aes-${bits}-cfb`, key, Buffer.alloc(16));
  const identity = concat(cipher.update(put.sized(secret)), cipher.final());
  const macKey = kdfA(ek.nameAlg, seed, 'INTEGRITY', empty, empty, size * 8);
  const mac = hmac(ek.nameAlg, macKey, identity, akName);
  return { idObject: concat(put.sized(mac), identity), encryptedSecret: encrypted };
}

const fileMagic = 0xbadcc0de;

/** As `tpm2_makecredential -o` writes it. */
export const writeCredentialFile = ({ idObject, encryptedSecret }: Credential): Buffer =>
  concat(put.u32(fileMagic), put.u32(1), put.sized(idObject), put.sized(encryptedSecret));

export function readCredentialFile(bytes: Uint8Array): Credential {
  const reader = new Reader(bytes);
  if (reader.u32() !== fileMagic || reader.u32() !== 1) throw new TpmWireError('no credential file');
  const result = { idObject: reader.sized(), encryptedSecret: reader.sized() };
  reader.end();
  return result;
}
