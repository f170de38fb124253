// What `cordon doctor` can read of the machine without the daemon and without rights. Reading is not using: these
// checks never say that a layer works, only that the kernel claims it.
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import type { DoctorCheck } from '../wire/mod.ts';

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    return `unreadable: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const claim = (name: string, present: boolean, detail: string, fix: string): DoctorCheck => ({
  name,
  state: present ? 'ok' : 'fail',
  detail,
  fix,
});

/** Landlock ABI 3 (truncate) came with Linux 6.2; fanotify and seccomp features used here are older. */
function kernelCheck(): DoctorCheck {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const fits = major > 6 || (major === 6 && minor >= 1);
  return claim('kernel', fits, `Linux ${release()}`, 'Cordon needs Linux 6.1 or later.');
}

/** securityfs is often not mounted or not readable for users: then only the daemon can tell. */
function landlockCheck(): DoctorCheck {
  const modules = read('/sys/kernel/security/lsm');
  const check = claim(
    'landlock',
    modules.includes('landlock'),
    modules,
    'Add landlock to the lsm= kernel parameter.',
  );
  return modules.startsWith('unreadable')
    ? { ...check, state: 'warn', fix: 'Start cordond: it finds out by using it.' }
    : check;
}

export function localChecks(): DoctorCheck[] {
  const actions = read('/proc/sys/kernel/seccomp/actions_avail');
  const filesystems = read('/proc/filesystems');
  return [
    kernelCheck(),
    landlockCheck(),
    claim(
      'seccomp-notify',
      actions.includes('user_notif'),
      actions,
      'The kernel needs CONFIG_SECCOMP_FILTER.',
    ),
    claim(
      'cgroup',
      filesystems.includes('cgroup2'),
      'cgroup2 known to the kernel',
      'The kernel needs CONFIG_CGROUPS.',
    ),
  ];
}
