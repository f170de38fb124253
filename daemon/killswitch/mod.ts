export { findCgroups, sessionCgroups } from './cgroups.ts';
export { LaunchStop } from './launch-stop.ts';
export type { Scope, Stop, StopStore } from './launch-stop.ts';
export { freezeSession, killSession } from './session-switch.ts';
export type { Target, Verb } from './session-switch.ts';
