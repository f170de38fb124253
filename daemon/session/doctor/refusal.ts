// Why the kernel refused what root may do: told by what this process lacks, looked at before the probe changes anything.
import { readFileSync } from 'node:fs';
import { E, SyscallError } from '../../../native-bindings/linux/mod.ts';
import { fail } from './probe.ts';
import type { Finding } from './probe.ts';

/** Texts of /proc/PID/status and /proc/PID/uid_map. */
export interface Circumstances {
  readonly status: string;
  readonly uidMap: string;
}

export const circumstances = (): Circumstances => ({
  status: readFileSync('/proc/self/status', 'latin1'),
  uidMap: readFileSync('/proc/self/uid_map', 'latin1'),
});

/** capability(7) numbers that the daemon and its supervisors use. */
const needed: readonly (readonly [name: string, bit: number])[] = [
  ['CHOWN', 0],
  ['DAC_OVERRIDE', 1],
  ['DAC_READ_SEARCH', 2],
  ['FOWNER', 3],
  ['KILL', 5],
  ['SETGID', 6],
  ['SETUID', 7],
  ['SETPCAP', 8],
  ['NET_BIND_SERVICE', 10],
  ['NET_ADMIN', 12],
  ['SYS_CHROOT', 18],
  ['SYS_PTRACE', 19],
  ['SYS_ADMIN', 21],
  ['SYS_NICE', 23],
  ['MKNOD', 27],
];

/** Names of the needed capabilities that `status` (text of /proc/PID/status) lacks. */
export function missingCapabilities(status: string): readonly string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return needed.filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n).map(([name]) => name);
}

/** user_namespaces(7): in the machine's own every uid is itself. */
export const isMachinesRoot = (uidMap: string): boolean => /^\s*0\s+0\s+4294967295\s*$/.test(uidMap);

export const onMachine =
  'run cordond on the machine itself, or in a container with these capabilities and no seccomp filter';

/** For whatever a probe threw. Without a `fix` of its own the probe's advice holds: the machine as such lacks something. */
export function explainRefusal(error: unknown, { status, uidMap }: Circumstances): Finding {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof SyscallError) || error.errno !== E.PERM) return fail(message);
  const missing = missingCapabilities(status);
  if (missing.length > 0)
    return fail(`${message}: cordond lacks ${missing.map((name) => `CAP_${name}`).join(', ')}`, onMachine);
  if (!isMachinesRoot(uidMap))
    return fail(`${message}: cordond is root of a user namespace, and not of the machine`, onMachine);
  if (/^Seccomp:\s*2$/m.test(status))
    return fail(
      `${message}: cordond has a seccomp filter on it, as in a container, which may refuse this`,
      onMachine,
    );
  return fail(message);
}
