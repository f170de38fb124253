// The verifier as a small service for pilots: enrol, challenge, verify, mint.
export { serveHttps } from './https.ts';
export type { Door, Serving } from './https.ts';
export { verifierKeyAt } from './key.ts';
export { serveRequest } from './service.ts';
export type { Answer, ServiceParts } from './service.ts';
export { openStore } from './store.ts';
export type { Endpoint, Store } from './store.ts';
export { formType, exchangeGrant, jwtType } from './form.ts';
export { tokenPath } from './exchange.ts';
export type { MintingParts } from './exchange.ts';
export { readMintingPolicy } from './minting-policy.ts';
export type { Act, MintedToken, Selected } from './token-book.ts';
