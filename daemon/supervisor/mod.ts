export * from './exec.ts';
export * from './journal.ts';
export * from './mediation.ts';
export * from './notify-mediator.ts';
export * from './open-mediator.ts';
export * from './pins.ts';
export * from './process-info.ts';
export * from './resolver.ts';
export type { Egress } from './network.ts';
