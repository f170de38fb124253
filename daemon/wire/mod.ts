export * from './codec.ts';
export * from './connect.ts';
export * from './connection.ts';
export * from './dpop.ts';
export { frame, Framer } from './framer.ts';
export * from './journal.ts';
export * from './message.ts';
export type * from './messages.gen.ts';
