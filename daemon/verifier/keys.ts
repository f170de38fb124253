// What the keys of an endpoint must be.
import {
  ALG,
  attestationAttributes,
  CURVE,
  keyObjectOf,
  OBJECT,
  readKey,
} from '../../native-bindings/tpm/wire/mod.ts';
import type { KeyPublic } from '../../native-bindings/tpm/wire/mod.ts';

/** By what the key is, not only by what it says of itself. */
const strong = (key: KeyPublic): boolean =>
  key.type === 'rsa'
    ? key.bits >= 2048 && key.modulus.length * 8 === key.bits && key.modulus.readUInt8(0) >= 0x80
    : key.curve === CURVE.P256 || key.curve === CURVE.P384;

const names = new Map<number, string>(Object.entries(OBJECT).map(([name, bit]) => [bit, name]));

/** Why this is no attestation key; undefined: it is one. A key without `restricted` would sign anything it is given. */
export function attestationKeyProblem(key: KeyPublic): string | undefined {
  const required = attestationAttributes & ~OBJECT.userWithAuth;
  const missing = [...names].filter(([bit]) => (required & bit) !== 0 && (key.attributes & bit) === 0);
  if (missing.length > 0) return `the attestation key lacks ${missing.map(([, name]) => name).join(', ')}`;
  if ((key.attributes & OBJECT.decrypt) !== 0) return 'the attestation key also decrypts';
  if (key.nameAlg === ALG.SHA1 || !strong(key)) return 'the attestation key is too weak';
  return undefined;
}

/** Why this is no endorsement key; undefined: it is one. */
export function endorsementKeyProblem(key: KeyPublic): string | undefined {
  const required = OBJECT.fixedTPM | OBJECT.fixedParent | OBJECT.restricted | OBJECT.decrypt;
  if ((key.attributes & required) !== required || (key.attributes & OBJECT.sign) !== 0)
    return 'the endorsement key is no restricted storage key of its TPM';
  if (key.nameAlg === ALG.SHA1 || !strong(key) || key.symmetric === undefined)
    return 'the endorsement key is too weak';
  return undefined;
}

export const sameKey = (area: Buffer, spki: Buffer): boolean =>
  keyObjectOf(readKey(area)).export({ type: 'spki', format: 'der' }).equals(spki);
