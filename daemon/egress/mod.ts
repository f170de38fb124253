// The egress room: what leaves a session, by name or by address, and nothing else does.
export * from './egress.ts';
export * from './confine.ts';
export type { Guard } from './judge.ts';
