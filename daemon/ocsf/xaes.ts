// XAES-256-GCM (C2SP): AES-256-GCM under a key that is derived from the first half of a nonce of 192 bits. Such nonces may
// be drawn at random for as long as there are records; here they are counted behind a random beginning, which costs one
// derivation for each beginning.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

export const keySize = 32;
export const nonceSize = 24;
export const tagSize = 16;
const half = nonceSize / 2;
const gcm = { authTagLength: tagSize } as const;

/** One block of AES-256. */
function encrypted(key: Uint8Array, block: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  return Buffer.concat([cipher.update(block), cipher.final()]);
}

/** The first subkey of CMAC (NIST SP 800-38B, section 6.1). */
function firstSubkey(key: Uint8Array): Buffer {
  const block = encrypted(key, Buffer.alloc(16));
  const carry = (block[0] ?? 0) >> 7;
  return Buffer.from(
    block.map((byte, i) => ((byte << 1) | ((block[i + 1] ?? 0) >> 7)) ^ (i === 15 ? carry * 0x87 : 0)),
  );
}

/** The key of AES-256-GCM for nonces that begin so. */
function derived(key: Uint8Array, beginning: Uint8Array): Buffer {
  const subkey = firstSubkey(key);
  const part = (number: number): Buffer => {
    const block = Buffer.concat([Buffer.from([0, number, 0x58, 0]), beginning]);
    return encrypted(
      key,
      block.map((byte, i) => byte ^ (subkey[i] ?? 0)),
    );
  };
  return Buffer.concat([part(1), part(2)]);
}

function encryptedUnder(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, about: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, gcm);
  cipher.setAAD(about);
  const body = cipher.update(plain);
  cipher.final();
  return Buffer.concat([body, cipher.getAuthTag()]);
}

/** Ciphertext and tag. `nonce`: 24 bytes, never the same twice. */
export const xaesSeal = (key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, about: Uint8Array): Buffer =>
  encryptedUnder(derived(key, nonce.subarray(0, half)), nonce.subarray(half), plain, about);

/** Undefined when it was not sealed by this key, for this. */
export function xaesOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  about: Uint8Array,
): Buffer | undefined {
  if (nonce.length !== nonceSize || sealed.length < tagSize) return undefined;
  const cipher = createDecipheriv(
    'aes-256-gcm',
    derived(key, nonce.subarray(0, half)),
    nonce.subarray(half),
    gcm,
  );
  cipher.setAAD(about);
  cipher.setAuthTag(sealed.subarray(-tagSize));
  try {
    return Buffer.concat([cipher.update(sealed.subarray(0, -tagSize)), cipher.final()]);
  } catch {
    return undefined;
  }
}

/** Values under one beginning: so many, that a derivation is never felt. The counter has room for 2^48. */
const valuesOfABeginning = 2 ** 32;

/** Seals one value after the other: nonce, ciphertext and tag. No nonce comes twice, in this process or in any other. */
export function xaesSealer(
  key: Uint8Array,
  most = valuesOfABeginning,
): (plain: Uint8Array, about: Uint8Array) => Buffer {
  const nonce = Buffer.alloc(nonceSize);
  let subkey: Buffer | undefined;
  let count = 0;
  return (plain, about) => {
    if (subkey === undefined || count === most) {
      randomBytes(half).copy(nonce);
      subkey = derived(key, nonce.subarray(0, half));
      count = 0;
    }
    nonce.writeUIntBE(count++, nonceSize - 6, 6);
    return Buffer.concat([nonce, encryptedUnder(subkey, nonce.subarray(half), plain, about)]);
  };
}
