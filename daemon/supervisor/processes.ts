// Calls that name a process, and clone3(2). The kernel's namespaces bound what they can do; here the attempt to reach
// beyond them is recorded. So the answer is never a permission: the kernel's own, or a refusal.
import { AT, E } from '../../native-bindings/linux/mod.ts';
import { continues, fails, refusal, type Answer, type Mediation } from './mediation.ts';

/**
 * `target`: a process id as the task knows it. No process of the sandbox has it, but one outside does: then a process of
 * the machine was meant, which is not there for the task.
 */
export function aimsAt(m: Mediation, pid: number, name: string, target: number): Answer {
  if (target <= 0 || isInside(m, target) || !m.files.fstatat(m.proc, `${target}`, 0)) return continues;
  const verdict = refusal(
    'outside-process',
    'the process is outside the sandbox, whose own process numbers are others',
  );
  m.decide(
    m.journal,
    'enforce',
    {
      kind: 'syscall',
      operation: name,
      object: `process ${target}`,
      layer: 'pid-namespace',
      process: m.reader.brief(pid),
    },
    verdict,
    () => m.reader.tree(pid),
  );
  return fails(E.SRCH);
}

/** Our root is a copy of the sandbox's, with its /proc. */
const isInside = (m: Mediation, target: number): boolean =>
  m.files.fstatat(AT.FDCWD, `/proc/${target}`, 0) !== undefined;

/** CLONE_NEWTIME NEWNS NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET (linux/sched.h). */
const NAMESPACES = 0x7e02_0080n;

/** `args`: the first field of struct clone_args, its flags. libc falls back to clone(2), whose flags are in a register. */
export function asksForNamespaces(m: Mediation, pid: number, args: Buffer): Answer {
  if ((args.readBigUInt64LE(0) & NAMESPACES) !== 0n)
    m.decide(
      m.journal,
      'enforce',
      {
        kind: 'syscall',
        operation: 'clone3',
        object: 'clone3',
        layer: 'seccomp-notify',
        process: m.reader.brief(pid),
      },
      refusal('syscall/clone3', 'new namespaces would put processes beyond the layers of this sandbox'),
      () => m.reader.tree(pid),
    );
  return fails(E.NOSYS);
}
