// Resident memory of a process, as the kernel counts it (proc_pid_status(5)).
import { readFileSync, writeFileSync } from 'node:fs';

/** MiB; the most it had since it began, or since `forgetPeak`. */
export const peakMemory = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;

/** From now on `peakMemory` counts from what it has now. */
export const forgetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');
