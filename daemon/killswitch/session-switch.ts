// Stops one session: freeze, resume, kill. The supervisor is asked, but never relied on: the daemon holds a pidfd of
// the sandbox's first process since the launch, and its end is the end of the whole pid namespace (pid_namespaces(7)).
import { setTimeout as delay } from 'node:timers/promises';
import { processes, procfs } from '../../native-bindings/linux/mod.ts';
import { CordonError } from '../model/mod.ts';
import { findCgroups, writeControl } from './cgroups.ts';

export type Verb = 'freeze' | 'resume' | 'kill';

export interface Target {
  readonly session: string;
  readonly initPid: number;
  /** Undefined while the session has not launched, or when its first process is gone. */
  readonly initPidfd: number | undefined;
  /** Undefined when the supervisor is gone. */
  readonly supervisorPidfd: number | undefined;
  /** Asks the supervisor; resolves once it has acknowledged. */
  ask(verb: Verb, reason: string): Promise<void>;
}

const SIGKILL = 9;
/** Milliseconds after which the supervisor goes too. */
const killDeadline = 1000;
/** Milliseconds more until we say that a process does not die: on a busy machine dying takes CPU time as well. */
const lastWait = 4000;
const look = 2;

function isDead({ initPid, initPidfd }: Target): boolean {
  if (initPidfd === undefined) return true;
  // A pidfd of a reaped process answers ESRCH; a zombie's children are all dead.
  return processes.pidfdSignal(initPidfd, 0) < 0 || ['Z', 'X'].includes(procfs.processState(initPid));
}

async function awaitDeath(target: Target, until: number): Promise<boolean> {
  while (!isDead(target)) {
    if (performance.now() > until) return false;
    await delay(look);
  }
  return true;
}

/** Resolves when the last process of the session is dead. Rejects, naming what lives on, after five seconds. */
export async function killSession(target: Target, reason: string): Promise<void> {
  if (target.initPidfd !== undefined && isDead(target)) return;
  const until = performance.now() + killDeadline;
  const { session, initPid, initPidfd, supervisorPidfd } = target;
  const { unified, freezer } = findCgroups(initPid);
  const asked = target.ask('kill', reason).catch(() => undefined);
  if (initPidfd !== undefined) processes.pidfdSignal(initPidfd, SIGKILL);
  writeControl(unified, 'cgroup.kill', '1');
  // A frozen task of the v1 freezer dies only once it is thawed.
  writeControl(freezer, 'freezer.state', 'THAWED');
  if (initPidfd === undefined) await Promise.race([asked, delay(killDeadline)]);
  if (await awaitDeath(target, until)) return;
  // The supervisor's death takes the sandbox with it.
  if (supervisorPidfd !== undefined) processes.pidfdSignal(supervisorPidfd, SIGKILL);
  if (await awaitDeath(target, performance.now() + lastWait)) return;
  throw new CordonError(
    'internal',
    `session ${session}: process ${initPid} is still alive seconds after SIGKILL`,
    {
      fix: `look at /proc/${initPid}/stack: it waits in the kernel, where no signal reaches it`,
    },
  );
}

/** Through the supervisor; by its control group when the supervisor does not answer, if `stillMay` does not throw by then. */
export async function freezeSession(
  target: Target,
  verb: 'freeze' | 'resume',
  reason: string,
  stillMay: () => void = () => undefined,
): Promise<void> {
  try {
    await target.ask(verb, reason);
  } catch (error) {
    stillMay();
    const { unified, freezer } = findCgroups(target.initPid);
    const frozen = verb === 'freeze';
    const done =
      writeControl(unified, 'cgroup.freeze', frozen ? '1' : '0') ||
      writeControl(freezer, 'freezer.state', frozen ? 'FROZEN' : 'THAWED');
    if (!done) throw error;
  }
}
