// Facts about the machine: kernel, privileges, disk, and what other security settings take away.
import { existsSync, readFileSync, readSync, statfsSync, statSync, writeSync } from 'node:fs';
import { release } from 'node:os';
import { openTerminal } from '../../launcher/mod.ts';
import { fail, ok, warn } from './probe.ts';
import type { Finding, Probe } from './probe.ts';
import { circumstances, isMachinesRoot, missingCapabilities, onMachine } from './refusal.ts';

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

const privileges: Probe = {
  name: 'privileges',
  fix: 'run cordond as root, with the capabilities that its systemd unit keeps',
  run: () => {
    const { status, uidMap } = circumstances();
    const missing = missingCapabilities(status);
    if (missing.length > 0) return fail(`missing capabilities: ${missing.join(', ')}`);
    if (!isMachinesRoot(uidMap))
      return fail(
        'root of a user namespace, and not of the machine: it may not watch files (fanotify)',
        onMachine,
      );
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
  fix: 'mount devpts on /dev/pts; if node-pty does not load, reinstall Cordon: it was built for another Node',
  run: () => {
    const { master, slave } = openTerminal(80, 24, 0);
    writeSync(slave, 'cordon');
    const seen = Buffer.alloc(16);
    const text = seen.toString('latin1', 0, readSync(master, seen));
    return text === 'cordon'
      ? ok('a pseudo-terminal was opened, and passed on what was written')
      : fail(`a pseudo-terminal passed on ${JSON.stringify(text)}`);
  },
};

export const machineProbes: readonly Probe[] = [kernel, privileges, yama, disk, directories, terminal];
