// Thin typed Linux system calls for Cordon. No policy; errors carry call and errno.
export * from './arena.ts';
export * as credentials from './credentials.ts';
export * from './errno.ts';
export * from './fanotify.ts';
export * from './files.ts';
export * from './io.ts';
export { tryLock } from './lock.ts';
export * as landlock from './landlock.ts';
export * as mounts from './mounts.ts';
export * as processes from './processes.ts';
export * as procfs from './procfs.ts';
export * as seccomp from './seccomp.ts';
export * as sockets from './sockets.ts';
export * from './spawn.ts';
