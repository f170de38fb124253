// What `cordon/token-verifier` exports: everything a backend needs, and nothing of the endpoint.
export type { Claims } from './claims.ts';
export type { Detail } from './details.ts';
export type { TokenAction } from './permits.ts';
export { TokenRefused } from './refusal.ts';
export type { RefusalReason } from './refusal.ts';
export { memoryReplay } from './replay.ts';
export type { Replay } from './replay.ts';
export { createTokenVerifier } from './verifier.ts';
export type { Presented, TokenVerifier, VerifierOptions } from './verifier.ts';
