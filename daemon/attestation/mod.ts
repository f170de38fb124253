export { Attester } from './attester.ts';
export type { AttesterOptions, DaemonFacts, TpmFacts } from './attester.ts';
export type { Store, Tally } from './counter.ts';
export { usualLogs } from './measured-logs.ts';
export type { LogPlaces } from './measured-logs.ts';
export { open, openKey, seal, sealUp } from './seal.ts';
export type { SealOptions } from './seal.ts';
export { recordKeyName, Vault } from './vault.ts';
export type { SealPlace, Secrets } from './vault.ts';
