// Landlock (landlock(7)): rights, and a ruleset for the calling thread.
import { Arena } from './arena.ts';
import { check, errno, libc, NR, raw } from './libc.ts';
import { O } from './files.ts';

/** LANDLOCK_ACCESS_FS_*, linux/landlock.h. */
export const FS = {
  EXECUTE: 1,
  WRITE_FILE: 2,
  READ_FILE: 4,
  READ_DIR: 8,
  REMOVE_DIR: 16,
  REMOVE_FILE: 32,
  MAKE_CHAR: 64,
  MAKE_DIR: 128,
  MAKE_REG: 256,
  MAKE_SOCK: 512,
  MAKE_FIFO: 1024,
  MAKE_BLOCK: 2048,
  MAKE_SYM: 4096,
  REFER: 8192,
  TRUNCATE: 16384,
  IOCTL_DEV: 32768,
} as const;
export const SCOPE = { ABSTRACT_UNIX_SOCKET: 1, SIGNAL: 2 } as const;

/** Handled file rights by ABI version (1..). */
const handledByAbi = [0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff];
export const handledRights = (abi: number): number => handledByAbi[Math.min(abi, 5)] ?? 0;

/** The ABI version, or -errno: ENOSYS when the kernel was built without Landlock, EOPNOTSUPP when it was started without. */
export function support(): number {
  const version = raw.pnn(NR.landlockCreateRuleset, null, 0, 1);
  return version < 0 ? -errno() : version;
}

/** 0 when there is no Landlock to be had. */
export const abi = (): number => Math.max(0, support());

export interface PathRule {
  readonly path: string;
  readonly rights: number;
}

const scratch = new Arena(8192);

/**
 * Makes a ruleset; returns its descriptor. `scoped` is ignored below ABI 6. What is in `unhandled` is not restricted, and
 * costs nothing: an open that asks for handled rights is a walk from the file up to the root (security/landlock/fs.c).
 */
export function createRuleset(
  rules: readonly PathRule[],
  version: number,
  scoped: number,
  unhandled = 0,
): number {
  const handled = handledRights(version) & ~unhandled;
  scratch.view.setBigUint64(0, BigInt(handled), true);
  scratch.view.setBigUint64(8, 0n, true);
  scratch.view.setBigUint64(16, BigInt(scoped), true);
  const size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const fd = check(raw.pnn(NR.landlockCreateRuleset, scratch.at(0), size, 0), 'landlock_create_ruleset');
  try {
    for (const { path, rights } of rules) if ((rights & handled) !== 0) addPath(fd, path, rights & handled);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}

function addPath(ruleset: number, path: string, rights: number): void {
  const fd = check(libc.open(scratch.cstring(1024, path), O.PATH | O.CLOEXEC, 0), `open ${path}`);
  scratch.view.setBigUint64(64, BigInt(rights), true);
  scratch.view.setInt32(72, fd, true);
  const result = raw.nnpn(NR.landlockAddRule, ruleset, 1, scratch.at(64), 0);
  try {
    check(result, `landlock_add_rule ${path}`);
  } finally {
    libc.close(fd);
  }
}

/** Restricts the calling thread and everything it starts. Needs NO_NEW_PRIVS or CAP_SYS_ADMIN. */
export function restrictSelf(ruleset: number): void {
  check(raw.n4(NR.landlockRestrictSelf, ruleset, 0, 0, 0), 'landlock_restrict_self');
}
