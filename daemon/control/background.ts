// Supervisors are made ready while sessions work, and the cores are theirs first (nice(2), sched(7)). What was made in the
// background has the usual priority again before it serves anybody: an agent is to inherit nothing of this.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { credentials, procfs } from '../../native-bindings/linux/mod.ts';

/** Added to our own: a tenth of a core when somebody else wants it. Late, but never starved with a lock of the kernel's in hand. */
const later = 10;
const lowest = 19;
/** Milliseconds after which nothing is in the background any more, done or not. */
export const patience = 2000;

const usual = getPriority();
/** CAP_SYS_NICE (capabilities(7)): who lacks it cannot come back, and therefore does not go. */
const mayReturn = procfs.hasCapability(credentials.CAP.SYS_NICE);

/** A process that was just started, and leads a session (setsid(2)): threads and children inherit it. */
export function toBackground(pid: number): void {
  if (mayReturn) give(pid, Math.min(usual + later, lowest));
}

/** With what it started meanwhile. */
export function toForeground(pid: number): void {
  if (!mayReturn) return;
  give(pid, usual);
  for (const child of procfs.processes()) if (procfs.sessionOf(child) === pid) give(child, usual);
}

/** Until it is done. */
export async function inBackground<T>(pid: number, work: () => Promise<T>): Promise<T> {
  toBackground(pid);
  const timer = setTimeout(toForeground, patience, pid).unref();
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    toForeground(pid);
  }
}

/**
 * Every thread, and the process' group of scheduling where the kernel makes one of each session (autogroup). Who is gone is
 * passed over; what else fails is told, and is no reason not to launch.
 */
function give(pid: number, nice: number): void {
  try {
    // A thread that another made meanwhile is found by the next look.
    while (tasksOf(pid).filter((tid) => isChanged(tid, nice)).length > 0);
    const group = `/proc/${pid}/autogroup`;
    if (existsSync(group)) writeFileSync(group, String(nice - usual));
  } catch (error) {
    if (!isGone(error)) process.stderr.write(`cordond: priority of process ${pid}: ${String(error)}\n`);
  }
}

const tasksOf = (pid: number): number[] => readdirSync(`/proc/${pid}/task`).map(Number);

function isChanged(tid: number, nice: number): boolean {
  try {
    if (getPriority(tid) === nice) return false;
    setPriority(tid, nice);
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const { code, info } = error as { code?: string; info?: { code?: string } };
  return ['ENOENT', 'ESRCH'].includes(info?.code ?? code ?? '');
}
