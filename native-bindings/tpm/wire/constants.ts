// Numbers of the TPM 2.0 Library, Part 2 (rev. 1.59), as far as they are used here.

export const ALG = {
  RSA: 0x0001,
  SHA1: 0x0004,
  AES: 0x0006,
  KEYEDHASH: 0x0008,
  SHA256: 0x000b,
  SHA384: 0x000c,
  SHA512: 0x000d,
  NULL: 0x0010,
  RSASSA: 0x0014,
  RSAPSS: 0x0016,
  ECDSA: 0x0018,
  ECC: 0x0023,
  CFB: 0x0043,
} as const;

export const CURVE = { P256: 3, P384: 4 } as const;

/** Handles that are always there. */
export const RH = {
  OWNER: 0x40000001,
  NULL: 0x40000007,
  /** The password authorisation. */
  PW: 0x40000009,
  LOCKOUT: 0x4000000a,
  ENDORSEMENT: 0x4000000b,
  PLATFORM: 0x4000000c,
} as const;

export const CC = {
  NV_UndefineSpace: 0x122,
  NV_DefineSpace: 0x12a,
  CreatePrimary: 0x131,
  NV_Increment: 0x134,
  NV_Write: 0x137,
  DictionaryAttackLockReset: 0x139,
  PCR_Reset: 0x13d,
  Startup: 0x144,
  ActivateCredential: 0x147,
  Certify: 0x148,
  CertifyCreation: 0x14a,
  NV_Read: 0x14e,
  PolicySecret: 0x151,
  Create: 0x153,
  Load: 0x157,
  Quote: 0x158,
  Sign: 0x15d,
  Unseal: 0x15e,
  ContextLoad: 0x161,
  ContextSave: 0x162,
  FlushContext: 0x165,
  NV_ReadPublic: 0x169,
  ReadPublic: 0x173,
  StartAuthSession: 0x176,
  GetCapability: 0x17a,
  GetRandom: 0x17b,
  PCR_Read: 0x17e,
  PolicyPCR: 0x17f,
  PCR_Extend: 0x182,
  NV_Certify: 0x184,
  PolicyGetDigest: 0x189,
} as const;

/** TPMA_OBJECT. */
export const OBJECT = {
  fixedTPM: 0x2,
  stClear: 0x4,
  fixedParent: 0x10,
  sensitiveDataOrigin: 0x20,
  userWithAuth: 0x40,
  adminWithPolicy: 0x80,
  noDA: 0x400,
  restricted: 0x10000,
  decrypt: 0x20000,
  sign: 0x40000,
} as const;

/** TPMA_NV. Bits 4–7 are the type. */
export const NV = {
  ppWrite: 0x1,
  ownerWrite: 0x2,
  authWrite: 0x4,
  counter: 0x10,
  typeMask: 0xf0,
  ppRead: 0x10000,
  ownerRead: 0x20000,
  authRead: 0x40000,
  noDA: 0x2000000,
  written: 0x20000000,
  platformCreate: 0x40000000,
} as const;

export const generatedMagic = 0xff544347;
/** TPM_ST of what an attestation key signs. */
export const ATTEST = { NV: 0x8014, CERTIFY: 0x8017, QUOTE: 0x8018, CREATION: 0x801a } as const;
export const ST = { noSessions: 0x8001, sessions: 0x8002 } as const;

export const PT = {
  manufacturer: 0x105,
  vendorString1: 0x106,
  firmwareVersion1: 0x10b,
  lockoutCounter: 0x20e,
  maxAuthFail: 0x20f,
  lockoutInterval: 0x210,
} as const;
