// Pid 1 of the sandbox: mounts its /proc, makes memfds non-executable in this pid namespace (vm.memfd_noexec, Linux
// 6.3), hides what of /proc belongs to the machine, then waits and reaps. It dies with the launch thread
// (PR_SET_PDEATHSIG), and with it the kernel kills every process of the sandbox.
import { spawn, type ChildProcess } from 'node:child_process';
import { readSync } from 'node:fs';

/** Files of /proc that tell of, or act on, the machine. */
const hidden = [
  'kcore',
  'kallsyms',
  'keys',
  'key-users',
  'sysrq-trigger',
  'timer_list',
  'sched_debug',
  'kmsg',
  'kpagecount',
  'kpageflags',
  'kpagecgroup',
  'mtrr',
  'latency_stats',
  'config.gz',
];
/** Trees of /proc that are made read-only: sysctls, interrupts, buses. */
const frozen = ['sys', 'irq', 'bus', 'fs', 'acpi', 'scsi', 'tty'];

const script = `set -e
mount -t proc -o nosuid,nodev,noexec proc /proc
memfd=no
if [ -w /proc/sys/vm/memfd_noexec ]; then echo 1 > /proc/sys/vm/memfd_noexec && memfd=yes; fi
for f in ${hidden.join(' ')}; do [ ! -e /proc/$f ] || mount --bind /dev/null /proc/$f; done
for d in ${frozen.join(' ')}; do [ ! -d /proc/$d ] || mount -o bind /proc/$d /proc/$d && mount -o remount,bind,ro /proc/$d 2>/dev/null || [ ! -d /proc/$d ]; done
echo "ready memfd_noexec=$memfd"
exec env -i --ignore-signal=CHLD /bin/sleep infinity </dev/null >/dev/null 2>&1
`;

export interface Init {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly memfdNoexec: boolean;
}

/**
 * Must run on the launch thread, after unshare(CLONE_NEWPID), as its first child. Blocks until pid 1 has finished its
 * preparations. Throws with what it printed when it did not.
 */
export function startInit(): Init {
  const child = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', '/bin/sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    cwd: '/',
  });
  if (child.pid === undefined)
    throw new Error('pid 1 of the sandbox could not be started: is util-linux (setpriv) installed?');
  const said = readLine(child);
  if (said?.startsWith('ready') !== true)
    throw new Error(
      `pid 1 of the sandbox failed: ${said === undefined ? 'it said nothing for a minute' : said || 'it ended'}`,
    );
  return { process: child, pid: child.pid, memfdNoexec: said.includes('memfd_noexec=yes') };
}

/** Milliseconds that pid 1 may take: it starts thirty programs, and many sandboxes may start at once. */
const patience = 60_000;

/** Reads one line from the child's stdout, synchronously: the launch thread has nothing else to do. */
function readLine(child: ChildProcess): string | undefined {
  const fd = (child.stdout as unknown as { _handle: { fd: number } })._handle.fd;
  const buffer = Buffer.alloc(256);
  let text = '';
  const deadline = performance.now() + patience;
  while (!text.includes('\n') && performance.now() < deadline) {
    try {
      const n = readSync(fd, buffer);
      if (n === 0) return text;
      text += buffer.toString('latin1', 0, n);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
  return text.includes('\n') ? text : undefined;
}
