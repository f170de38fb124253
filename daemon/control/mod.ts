export { Daemon } from './daemon.ts';
export { LoadedProfiles } from './loaded-profiles.ts';
export type { DaemonOptions } from './daemon.ts';
export type { Change, PlanRequest, Profiles } from './profiles.ts';
export { raiseFanotifyGroups } from './kernel-limits.ts';
