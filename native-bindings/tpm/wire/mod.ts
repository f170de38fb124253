// TPM 2.0 structures and computations in TypeScript and node:crypto alone: no native code, no I/O. The verifier runs on
// these, without a TPM.
export * from './attest.ts';
export * from './bytes.ts';
export * from './constants.ts';
export * from './creation.ts';
export * from './credential.ts';
export * from './hash.ts';
export * from './kdf.ts';
export * from './nv.ts';
export * from './pcr.ts';
export * from './policy.ts';
export * from './public.ts';
export * from './signature.ts';
export * from './templates.ts';
