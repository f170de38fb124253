// Credentials of the calling thread only (raw system calls: libc's wrappers change every thread).
import { Arena } from './arena.ts';
import { check, libc, NR, raw } from './libc.ts';

const scratch = new Arena(64);

export const CAP = { KILL: 5, SYS_PTRACE: 19, SYS_ADMIN: 21, SYS_NICE: 23 } as const;
const PR = {
  SET_PDEATHSIG: 1,
  SET_DUMPABLE: 4,
  CAPBSET_DROP: 24,
  SET_NO_NEW_PRIVS: 38,
  GET_NO_NEW_PRIVS: 39,
} as const;

export const noNewPrivileges = (): void =>
  void check(libc.prctl(PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'prctl NO_NEW_PRIVS');
/** Not dumpable: /proc/self is root's, and nobody without CAP_SYS_PTRACE attaches. Whole process. */
export const notDumpable = (): void => void check(libc.prctl(PR.SET_DUMPABLE, 0, 0, 0, 0), 'prctl DUMPABLE');

/**
 * The calling thread acts as this user: effective and file-system ids, no supplementary groups. Real and saved ids stay
 * root's, so that the user can neither signal nor trace it. The effective capability set is emptied by the kernel.
 */
export function actAs(uid: number, gid: number): void {
  check(raw.pnn(NR.setgroups, null, 0, 0), 'setgroups');
  check(raw.n4(NR.setresgid, -1, gid, -1, 0), 'setresgid');
  check(raw.n4(NR.setresuid, -1, uid, -1, 0), 'setresuid');
}

/** Runs `use` with the user's effective ids on the calling thread, then is root again. Needs saved ids of root. */
export function asUser<T>(uid: number, gid: number, use: () => T): T {
  check(raw.n4(NR.setresgid, -1, gid, -1, 0), 'setresgid');
  check(raw.n4(NR.setresuid, -1, uid, -1, 0), 'setresuid');
  try {
    return use();
  } finally {
    check(raw.n4(NR.setresuid, -1, 0, -1, 0), 'setresuid');
    check(raw.n4(NR.setresgid, -1, 0, -1, 0), 'setresgid');
  }
}

/** Keeps only these capabilities, effective and permitted. */
export function keepCapabilities(capabilities: readonly number[]): void {
  scratch.view.setUint32(0, 0x20080522, true); // _LINUX_CAPABILITY_VERSION_3
  scratch.view.setInt32(4, 0, true);
  let low = 0;
  let high = 0;
  for (const c of capabilities) {
    if (c < 32) low |= 1 << c;
    else high |= 1 << (c - 32);
  }
  const words = [low, low, 0, high, high, 0]; // {effective, permitted, inheritable} × 2
  words.forEach((word, i) => scratch.view.setUint32(8 + 4 * i, word >>> 0, true));
  check(raw.pp(NR.capset, scratch.at(0), scratch.at(8)), 'capset');
}
/** Removes all capabilities from the bounding set of the calling thread. */
export function emptyBoundingSet(): void {
  for (let cap = 0; cap < 64; cap++) if (libc.prctl(PR.CAPBSET_DROP, cap, 0, 0, 0) < 0) break;
}
