// What an agent has from the process that asked for it, as if that had started it itself (fork(2)): how private the files
// are that it makes, and how soon the kernel takes it when memory ends. cordond's own are for a daemon.
import { procfs } from '../../native-bindings/linux/mod.ts';

export interface Inherited {
  /** umask(2), octal; empty where it is not known. */
  readonly umask: string;
  /** 0 to 1000: never less than that of most programs, whatever a service that asks has (proc_pid_oom_score_adj(5)). */
  readonly oomScoreAdj: number;
}

/** Of a process that is gone or cannot be seen: what is usual. */
export function inheritedFrom(pid: number): Inherited {
  const umask = /^Umask:\s*([0-7]{1,4})$/m.exec(procfs.readProc(`/proc/${pid}/status`))?.[1];
  const score = Number.parseInt(procfs.readProc(`/proc/${pid}/oom_score_adj`), 10);
  return {
    umask: umask ?? '',
    oomScoreAdj: score > 0 ? Math.min(score, 1000) : 0,
  };
}
