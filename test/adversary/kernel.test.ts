// System calls that no agent needs: refused by the static table, and recorded by their names.
import t from 'tap';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { attackAll, type Attack } from './harness.ts';

const call = (
  name: string,
  native: Attack['native'],
  operation = new RegExp(`^${name}$`),
  title = name,
): Attack => ({
  case: name,
  title: `${title} is refused`,
  native,
  record: () => ({ kind: 'syscall', operation }),
  happened: (_site, outcome) => outcome.result === 'succeeded',
});

/** A file that the sandbox's own /dev, /proc or /sys does not have. A machine that has none either has nothing to record. */
const absent = (name: string, path: string): Attack => ({
  case: name,
  title: `${path} is out of reach`,
  native: 'refused',
  ...(existsSync(path)
    ? { record: () => ({ kind: 'file', object: path }) }
    : { unrecorded: 'this machine has none' }),
  happened: (_site, outcome) => outcome.result === 'succeeded',
});

const attacks: readonly Attack[] = [
  call('io_uring_setup', 'succeeds'),
  call('io_uring_enter', 'refused'),
  call('io_uring_register', 'refused'),
  call('x32-abi', 'succeeds', /x32/, 'a call of the x32 ABI'),
  {
    ...call('x32-open', 'succeeds', /x32/, 'creating a file by the x32 ABI'),
    happened: async (site) => (await import('node:fs')).existsSync(join(site.outside, 'x32-open/created')),
  },
  call('i386-abi', 'succeeds', /another architecture|i386/, 'a call by int 0x80'),
  call('userfaultfd', 'succeeds'),
  absent('userfaultfd-device', '/dev/userfaultfd'),
  call('personality', 'succeeds'),
  call('personality-read-implies-exec', 'succeeds', /^personality$/, 'READ_IMPLIES_EXEC'),
  call('perf_event_open', 'succeeds'),
  call('bpf', 'refused'),
  call('keyctl', 'succeeds'),
  call('add_key', 'succeeds'),
  call('request_key', 'succeeds'),
  call('mount', 'refused'),
  call('mount-bind', 'refused', /^mount$/, 'a bind mount'),
  call('mount-remount', 'refused', /^mount$/, 'a remount'),
  call('umount2', 'refused'),
  call('umount2-decoy', 'refused', /^umount2$/, 'unmounting a decoy'),
  call('fsopen', 'refused'),
  call('fspick', 'refused'),
  call('fsmount', 'refused'),
  call('fsconfig', 'refused'),
  call('open_tree', 'refused'),
  call('move_mount', 'refused'),
  call('mount_setattr', 'refused'),
  call('pivot_root', 'refused'),
  call('chroot', 'refused'),
  call('open_by_handle_at', 'refused'),
  call('seccomp-new-listener', 'succeeds', /^seccomp$/, 'a seccomp listener of its own'),
  call('fanotify_init', 'succeeds'),
  call('mq_open', 'succeeds'),
  call('init_module', 'refused'),
  call('finit_module', 'refused'),
  call('delete_module', 'refused'),
  call('kexec_load', 'refused'),
  call('reboot', 'refused'),
  call('swapon', 'refused'),
  call('swapoff', 'refused'),
  call('acct', 'refused'),
  call('sethostname', 'refused'),
  call('setdomainname', 'refused'),
  call('clock_settime', 'refused'),
  call('settimeofday', 'refused'),
  call('quotactl', 'refused'),
  call('syslog', 'refused'),
  call('vhangup', 'refused'),
  call('iopl', 'refused'),
  call('ioperm', 'refused'),
  call('modify_ldt', 'succeeds'),
  call('kcmp', 'succeeds'),
  call('process_madvise', 'refused'),
  call('move_pages', 'succeeds'),
  call('migrate_pages', 'succeeds'),
  call('memfd_secret', 'succeeds'),
  call('unknown-call', 'refused', /^call 9999$/, 'a call that nobody reviewed'),
  call('negative-call', 'refused', /call 4294967291/, 'a negative call number'),
  call('prctl-set-mm', 'refused', /^prctl$/, 'PR_SET_MM'),
  absent('dev-mem', '/dev/mem'),
  absent('core-pattern', '/proc/sys/kernel/core_pattern'),
  absent('sysrq-trigger', '/proc/sysrq-trigger'),
  absent('cgroup-procs', '/sys/fs/cgroup/cgroup.procs'),
  absent('dev-kvm', '/dev/kvm'),
  absent('dev-fuse', '/dev/fuse'),
  absent('dev-net-tun', '/dev/net/tun'),
];

t.test('system calls that no agent needs', async (t) => {
  await attackAll(t, { attacks });
});
