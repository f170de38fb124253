// Public areas to create keys from: EKs as in the TCG EK Credential Profile (2.5, annex B), ours for the rest.
import { concat, empty, put } from './bytes.ts';
import { ALG, CURVE, OBJECT } from './constants.ts';

const aes = (bits: number): Buffer => concat(put.u16(ALG.AES), put.u16(bits), put.u16(ALG.CFB));
const nothing = put.u16(ALG.NULL);
const scheme = (alg: number): Buffer => concat(put.u16(alg), put.u16(ALG.SHA256));
const zeros = (count: number): Buffer => put.sized(Buffer.alloc(count));

/** PolicySecret(TPM_RH_ENDORSEMENT), in SHA-256: policy of the low-range EKs. */
export const endorsementPolicy = Buffer.from(
  '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa',
  'hex',
);
/** PolicyB of the high-range EKs, in SHA-384. */
const endorsementPolicyB384 = Buffer.from(
  'b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12',
  'hex',
);

const area = (
  type: number,
  nameAlg: number,
  attributes: number,
  policy: Uint8Array,
  ...rest: readonly Uint8Array[]
): Buffer => concat(put.u16(type), put.u16(nameAlg), put.u32(attributes), put.sized(policy), ...rest);

const storage =
  OBJECT.fixedTPM | OBJECT.fixedParent | OBJECT.sensitiveDataOrigin | OBJECT.restricted | OBJECT.decrypt;
const endorsement = storage | OBJECT.adminWithPolicy;
/** What an attestation key must be: it signs nothing that the TPM did not make itself. */
export const attestationAttributes =
  OBJECT.fixedTPM |
  OBJECT.fixedParent |
  OBJECT.sensitiveDataOrigin |
  OBJECT.userWithAuth |
  OBJECT.restricted |
  OBJECT.sign;
const signing = attestationAttributes & ~OBJECT.restricted;

const rsa2048 = (symmetric: Buffer, signature: Buffer): Buffer =>
  concat(symmetric, signature, put.u16(2048), put.u32(0));
const ecc = (curve: number, symmetric: Buffer, signature: Buffer): Buffer =>
  concat(symmetric, signature, put.u16(curve), nothing);

export const templates = {
  /** L-1. */
  ekRsa2048: area(
    ALG.RSA,
    ALG.SHA256,
    endorsement,
    endorsementPolicy,
    rsa2048(aes(128), nothing),
    zeros(256),
  ),
  /** L-2. */
  ekP256: area(
    ALG.ECC,
    ALG.SHA256,
    endorsement,
    endorsementPolicy,
    ecc(CURVE.P256, aes(128), nothing),
    zeros(32),
    zeros(32),
  ),
  /** H-3. */
  ekP384: area(
    ALG.ECC,
    ALG.SHA384,
    endorsement | OBJECT.userWithAuth,
    endorsementPolicyB384,
    ecc(CURVE.P384, aes(256), nothing),
    zeros(0),
    zeros(0),
  ),
  /** Storage root, as TCG's provisioning guidance has it: parent of what is sealed. */
  storageP256: area(
    ALG.ECC,
    ALG.SHA256,
    storage | OBJECT.userWithAuth | OBJECT.noDA,
    empty,
    ecc(CURVE.P256, aes(128), nothing),
    zeros(32),
    zeros(32),
  ),
  akP256: area(
    ALG.ECC,
    ALG.SHA256,
    attestationAttributes | OBJECT.noDA,
    empty,
    ecc(CURVE.P256, nothing, scheme(ALG.ECDSA)),
    zeros(0),
    zeros(0),
  ),
  akRsa2048: area(
    ALG.RSA,
    ALG.SHA256,
    attestationAttributes | OBJECT.noDA,
    empty,
    rsa2048(nothing, scheme(ALG.RSASSA)),
    zeros(0),
  ),
  /** Signs digests of ours: a checkpoint key. `label` makes one key differ from another. */
  signingP256: (label: string): Buffer =>
    area(
      ALG.ECC,
      ALG.SHA256,
      signing | OBJECT.noDA,
      empty,
      ecc(CURVE.P256, nothing, scheme(ALG.ECDSA)),
      put.sized(Buffer.from(label).subarray(0, 32)),
      zeros(0),
    ),
  /** The same below a parent, which makes each one another. */
  signingChild: area(
    ALG.ECC,
    ALG.SHA256,
    signing | OBJECT.noDA,
    empty,
    ecc(CURVE.P256, nothing, scheme(ALG.ECDSA)),
    zeros(0),
    zeros(0),
  ),
  /** Data that is given out only as `policy` says. */
  sealed: (policy: Uint8Array): Buffer =>
    area(
      ALG.KEYEDHASH,
      ALG.SHA256,
      OBJECT.fixedTPM | OBJECT.fixedParent | OBJECT.noDA,
      policy,
      nothing,
      zeros(0),
    ),
} as const;
