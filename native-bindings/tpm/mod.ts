// TPM 2.0: transport through tpm2-tss in a process of its own, commands and sessions in TypeScript on top. Structures
// alone, for who has no TPM: `wire/mod.ts`.
export * from './commands/capability.ts';
export { noPassword } from './commands/command.ts';
export type { Authorisation, Entity, Session } from './commands/command.ts';
export * from './commands/context.ts';
export * from './commands/keys.ts';
export * from './commands/nv.ts';
export * from './commands/pcr.ts';
export * from './commands/sessions.ts';
export * from './commands/together.ts';
export { isLockout, responseName, TpmError } from './response-code.ts';
export { openTpm } from './tpm.ts';
export type { Tpm } from './tpm.ts';
export { TpmTransportError } from './transport/transport.ts';
export type { Transport } from './transport/transport.ts';
