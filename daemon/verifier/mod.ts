// A verifier (RFC 9334) of Cordon's evidence, as a library: TypeScript and node:crypto, no TPM, no files, no network, no
// clock of its own. Published as `cordon/verifier`.
export { ekCertificate, certificatesOf } from './chain.ts';
export type { Anchors, EkCertificate, Root } from './chain.ts';
export type { Check, CheckName, Outcome } from './checks.ts';
export { derLength } from './der.ts';
export { challenge } from './enrol.ts';
export type { Challenge, Enrolled } from './enrol.ts';
export { noExpectations, readExpectations } from './expectations.ts';
export type { Expectations } from './expectations.ts';
export type { Memory } from './memory.ts';
export * from './result.ts';
export { verifyEvidence } from './verify.ts';
export type { Verdict, VerifyRequest } from './verify.ts';
