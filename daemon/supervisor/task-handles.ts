// pidfds of tasks that made socket calls lately, so that each call needs no new one. A pidfd means one task: when that is
// gone, the task that came to have its number is not mistaken for it.
import { E, processes } from '../../native-bindings/linux/mod.ts';

const MAX_HELD = 64;

export class TaskHandles {
  private readonly held = new Map<number, number>();

  /**
   * A duplicate of descriptor `fd` of the task, which may be a thread with descriptors of its own; the caller closes it.
   * -errno on failure: EINVAL where the kernel has no pidfds of threads (Linux 6.9).
   */
  descriptor(task: number, fd: number): number {
    const known = this.held.get(task);
    if (known !== undefined) {
      const got = processes.pidfdGetfd(known, fd);
      if (got !== -E.SRCH) return got;
      this.forget(task, known);
    }
    const pidfd = processes.pidfdOpen(task, true);
    if (pidfd < 0) return pidfd;
    this.keep(task, pidfd);
    return processes.pidfdGetfd(pidfd, fd);
  }

  private keep(task: number, pidfd: number): void {
    const [oldest] = this.held;
    if (this.held.size >= MAX_HELD && oldest !== undefined) this.forget(...oldest);
    this.held.set(task, pidfd);
  }
  private forget(task: number, pidfd: number): void {
    this.held.delete(task);
    processes.close(pidfd);
  }
}
