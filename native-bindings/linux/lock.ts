// flock(2): a lock that ends with its holder, however that ends.
import { errno, raw } from './libc.ts';
import { E, SyscallError } from './errno.ts';

const NR_FLOCK = process.arch === 'x64' ? 73 : 32;
const LOCK_EX_NB = 2 | 4;

/** Locks the open file exclusively, without waiting. False when another process holds it. */
export function tryLock(fd: number): boolean {
  if (raw.n4(NR_FLOCK, fd, LOCK_EX_NB, 0, 0) === 0) return true;
  if (errno() === E.AGAIN) return false;
  throw new SyscallError('flock', errno());
}
