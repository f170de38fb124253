// What attester and verifier share. Pure: no TPM, no files, no network.
export * from './enrolment.ts';
export * from './event-log.ts';
export * from './evidence.ts';
export * from './formats.ts';
export * from './ima-log.ts';
export { canonical, Fields, malformed, parsed } from './json.ts';
export type { Json } from './json.ts';
export * from './record-key.ts';
export * from './sealed.ts';
export * from './selection.ts';
export * from './statement.ts';
export * from './token-keys.ts';
export * from './vault-file.ts';
