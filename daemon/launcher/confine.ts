// What the launch thread takes on before it starts the agent; every child inherits it. Order: Landlock, capabilities,
// NO_NEW_PRIVS, seccomp. After `confine` the thread can start the agent and nothing else of use.
import { E, Files, credentials, landlock, seccomp } from '../../native-bindings/linux/mod.ts';

const { FS } = landlock;
/**
 * Not Landlock's: reading and executing, which are fanotify's everywhere, and truncation, of which every attempt is asked
 * about and none let through to the kernel but with an open for writing. So an open for reading is no walk to the root
 * (a fifth of what grep -r costs).
 */
const UNHANDLED = FS.EXECUTE | FS.READ_FILE | FS.READ_DIR | FS.TRUNCATE;
const DEVICE = FS.WRITE_FILE | FS.IOCTL_DEV;

/**
 * The agent's own file rights. Nothing can be created, removed or renamed by it anywhere; it may open for writing only
 * devices, and, below `fifos`, what the read-only mounts do not stop: named pipes.
 */
export function agentRules(fifos: readonly string[]): landlock.PathRule[] {
  return [{ path: '/dev', rights: DEVICE }, ...fifos.map((path) => ({ path, rights: FS.WRITE_FILE }))];
}

export interface Confinement {
  readonly landlockAbi: number;
  readonly rules: readonly landlock.PathRule[];
  readonly filter: seccomp.Filter;
}

export interface Confined {
  /** The seccomp listener. */
  readonly listener: number;
  /** Landlock was seen to refuse: it is not only loaded. */
  readonly landlockHolds: boolean;
}

/** Any failure throws: nothing has been started. */
export function confine(c: Confinement): Confined {
  credentials.noNewPrivileges();
  if (c.landlockAbi > 0) {
    // Not SCOPE.SIGNAL: the kernel asks Landlock about a parent-death signal too, as sent by the dying parent, which is
    // this thread; pid 1 is outside its domain and would live on. The pid namespace keeps the agent's signals inside.
    const scoped = landlock.SCOPE.ABSTRACT_UNIX_SOCKET;
    const scope = c.landlockAbi >= 6 ? scoped : 0;
    landlock.restrictSelf(landlock.createRuleset(c.rules, c.landlockAbi, scope, UNHANDLED));
  }
  const landlockHolds = c.landlockAbi > 0 && refusesMkdir();
  credentials.emptyBoundingSet();
  const listener = c.filter.install(
    seccomp.FILTER_FLAG.NEW_LISTENER | seccomp.FILTER_FLAG.WAIT_KILLABLE_RECV,
  );
  return { listener, landlockHolds };
}

/** /dev/pts is mounted read-write: only Landlock answers EACCES there (devpts itself says EPERM). */
function refusesMkdir(): boolean {
  return new Files().mkdirat(-100, '/dev/pts/cordon-probe', 0o700) === -E.ACCES;
}
