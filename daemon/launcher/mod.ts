export * from './bring-in.ts';
export * from './cgroups.ts';
export * from './confine.ts';
export * from './init.ts';
export * from './mount-table.ts';
export * from './session-mounts.ts';
export * from './terminal.ts';
export * from './tree.ts';
