// The decision room: pure, synchronous, no I/O. A CapabilitySet goes in, a Decider comes out.
export { createDecider } from './decider.ts';
export { guardedReason, isMetadataAddress } from './guard.ts';
export { canonicalAddress, parseAddress, parseCidr } from './address.ts';
export type { Address, Cidr } from './address.ts';
