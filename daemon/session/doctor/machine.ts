// Facts about the machine: kernel, privileges, disk, and what other security settings take away.
import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { loadPty } from '../../launcher/mod.ts';
import { fail, ok, warn } from './probe.ts';
import type { Finding, Probe } from './probe.ts';

const mebibyte = 1024 * 1024;

/** `[6, 18]` of `6.18.44-generic`. */
export function kernelVersion(text: string): readonly [major: number, minor: number] {
  const match = /^(\d+)\.(\d+)/.exec(text);
  if (match === null) throw new Error(`kernel release not understood: ${text}`);
  return [Number(match[1]), Number(match[2])];
}

/** 6.0: FAN_MARK_IGNORE, the decision cache. 6.3: vm.memfd_noexec. 6.6: synchronous wake-up of notified calls. */
export function judgeKernel(text: string): Finding {
  const [major, minor] = kernelVersion(text);
  const version = major * 1000 + minor;
  if (version < 6000) return fail(`Linux ${text}: too old for fanotify ignore marks (6.0)`);
  if (version < 6006) return warn(`Linux ${text}: notified calls wake up slower than on 6.6 and later`);
  return ok(`Linux ${text}`);
}

const kernel: Probe = {
  name: 'kernel',
  fix: 'run Linux 6.6 or later (6.0 is the least)',
  run: () => judgeKernel(release()),
};

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
  ['MKNOD', 27],
];

/** Names of the needed capabilities that `status` (text of /proc/PID/status) lacks. */
export function missingCapabilities(status: string): readonly string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return needed.filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n).map(([name]) => name);
}

const privileges: Probe = {
  name: 'privileges',
  fix: 'run cordond as root, with the capabilities that its systemd unit keeps',
  run: () => {
    const missing = missingCapabilities(readFileSync('/proc/self/status', 'latin1'));
    if (missing.length > 0) return fail(`missing capabilities: ${missing.join(', ')}`);
    return ok(`uid ${process.getuid?.() ?? -1}, with every capability Cordon uses`);
  },
};

const yama: Probe = {
  name: 'yama',
  fix: 'set kernel.yama.ptrace_scope to 2 or less (and reboot: 3 cannot be lowered at run time)',
  run: () => {
    const file = '/proc/sys/kernel/yama/ptrace_scope';
    if (!existsSync(file))
      return ok("no Yama: nothing stands in the way of reading an agent's system call arguments");
    const scope = readFileSync(file, 'latin1').trim();
    if (scope === '3') return fail("ptrace_scope is 3: an agent's system call arguments cannot be read");
    return ok(`ptrace_scope ${scope}`);
  },
};

/** Journals and the spool grow here; without room, actions are refused (a record that cannot be kept denies). */
export function judgeDisk(directory: string, freeBytes: number): Finding {
  const free = `${Math.floor(freeBytes / mebibyte)} MiB free in ${directory}`;
  if (freeBytes < 64 * mebibyte)
    return fail(`${free}: sessions could not be recorded, so nothing would be allowed`);
  if (freeBytes < 1024 * mebibyte) return warn(free);
  return ok(free);
}

const disk: Probe = {
  name: 'disk',
  fix: 'free some space, or move the state directory (state-dir) to a larger disk',
  run: ({ stateDir }) => {
    const { bavail, bsize } = statfsSync(stateDir);
    return judgeDisk(stateDir, bavail * bsize);
  },
};

const directories: Probe = {
  name: 'directories',
  fix: 'let only root write to the state and run directories: chown root, chmod go-w',
  run: ({ stateDir, runDir }) => {
    const open = [stateDir, runDir].filter((directory) => {
      const { uid, mode } = statSync(directory);
      return uid !== 0 || (mode & 0o022) !== 0;
    });
    return open.length === 0
      ? ok(`${stateDir} and ${runDir} are root's`)
      : fail(`others may write to ${open.join(', ')}`);
  },
};

const terminal: Probe = {
  name: 'terminal',
  fix: 'reinstall Cordon: the native part of node-pty does not load under its Node',
  run: () => {
    loadPty();
    return ok('pseudo-terminals can be opened');
  },
};

export const machineProbes: readonly Probe[] = [kernel, privileges, yama, disk, directories, terminal];
