// errno values, their names, and the error that every binding throws.
import { constants } from 'node:os';

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** `ENOENT` for 2; `E999` for a number this platform has no name for. */
export const errnoName = (errno: number): string => names.get(errno) ?? `E${String(errno)}`;

export const E = {
  PERM: 1,
  NOENT: 2,
  SRCH: 3,
  INTR: 4,
  IO: 5,
  NOEXEC: 8,
  BADF: 9,
  AGAIN: 11,
  NOMEM: 12,
  ACCES: 13,
  FAULT: 14,
  BUSY: 16,
  EXIST: 17,
  XDEV: 18,
  NOTDIR: 20,
  ISDIR: 21,
  INVAL: 22,
  NOSPC: 28,
  ROFS: 30,
  NAMETOOLONG: 36,
  NOSYS: 38,
  LOOP: 40,
  STALE: 116,
  AFNOSUPPORT: 97,
  NETUNREACH: 101,
  CONNREFUSED: 111,
  INPROGRESS: 115,
  OPNOTSUPP: 95,
  DQUOT: 122,
} as const;

/** A system call failed. `call` names it with what matters of its arguments. */
export class SyscallError extends Error {
  readonly call: string;
  readonly errno: number;
  constructor(call: string, errno: number) {
    super(`${call}: ${errnoName(errno)}`);
    this.name = 'SyscallError';
    this.call = call;
    this.errno = errno;
  }
}
