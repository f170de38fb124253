// System calls that no agent needs and that the static table refuses.
#include "probe.h"
#include <linux/bpf.h>
#include <linux/fanotify.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sys/fanotify.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/timex.h>
#include <time.h>
#include <asm/ldt.h>

#define CASE(name) static struct outcome name(void)

CASE(io_uring_setup_call) {
  struct io_uring_params parameters = {0};
  return from(syscall(SYS_io_uring_setup, 4, &parameters));
}
CASE(io_uring_enter_call) { return from(syscall(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0)); }
CASE(io_uring_register_call) { return from(syscall(SYS_io_uring_register, 0, 0, NULL, 0)); }
CASE(x32_abi) {
#ifdef __x86_64__
  return from(syscall(0x40000000L | SYS_getpid));
#else
  return unsupported(0, "x86-64 only");
#endif
}
CASE(x32_open) {
#ifdef __x86_64__
  return from(syscall(0x40000000L | SYS_open, outside("created"), O_CREAT | O_WRONLY, 0644));
#else
  return unsupported(0, "x86-64 only");
#endif
}
CASE(i386_abi) {
#ifdef __x86_64__
  long returned;
  __asm__ volatile("int $0x80" : "=a"(returned) : "a"(20L) : "memory", "r8", "r9", "r10", "r11"); // getpid
  if (returned < 0) return blocked((int)-returned, "refused");
  return succeeded("getpid by int 0x80 said %ld", returned);
#else
  return unsupported(0, "x86-64 only");
#endif
}
CASE(userfaultfd_call) { return from(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY)); }
CASE(userfaultfd_device) { return from(open("/dev/userfaultfd", O_RDWR)); }
CASE(personality_call) { return from(personality(ADDR_NO_RANDOMIZE)); }
CASE(personality_read_implies_exec) { return from(personality(READ_IMPLIES_EXEC)); }
CASE(perf_event_open_call) {
  struct perf_event_attr what = {.type = PERF_TYPE_SOFTWARE, .size = sizeof what, .config = PERF_COUNT_SW_TASK_CLOCK};
  what.exclude_kernel = 1, what.exclude_hv = 1;
  return from(syscall(SYS_perf_event_open, &what, 0, -1, -1, 0));
}
CASE(bpf_call) {
  union bpf_attr what = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  return from(syscall(SYS_bpf, BPF_MAP_CREATE, &what, sizeof what));
}
CASE(keyctl_call) { return from(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0)); }
CASE(add_key_call) { return from(syscall(SYS_add_key, "user", "probe", MARK, 5, KEY_SPEC_PROCESS_KEYRING)); }
CASE(request_key_call) {
  long returned = syscall(SYS_request_key, "user", "probe-not-there", NULL, 0);
  return returned < 0 && errno == ENOKEY ? succeeded("the kernel looked for the key") : from(returned);
}
CASE(mount_call) { return from(mount("none", scratch(""), "tmpfs", 0, NULL)); }
CASE(mount_bind) { return from(mount(outside(""), scratch(""), NULL, MS_BIND, NULL)); }
CASE(mount_remount) { return from(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL)); }
CASE(umount2_call) { return from(umount2("/tmp", MNT_DETACH)); }
CASE(umount_home) { return from(umount2(arg("vault"), MNT_DETACH)); }
CASE(fsopen_call) { return from(syscall(SYS_fsopen, "tmpfs", 0)); }
CASE(fspick_call) { return from(syscall(SYS_fspick, AT_FDCWD, "/", 0)); }
CASE(fsmount_call) { return from(syscall(SYS_fsmount, 0, 0, 0)); }
CASE(fsconfig_call) { return from(syscall(SYS_fsconfig, 0, 0, NULL, NULL, 0)); }
CASE(open_tree_call) { return from(syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE)); }
CASE(move_mount_call) { return from(syscall(SYS_move_mount, AT_FDCWD, "/tmp", AT_FDCWD, "/mnt", 0)); }
CASE(mount_setattr_call) {
  struct mount_attr how = {.attr_clr = MOUNT_ATTR_RDONLY};
  return from(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &how, sizeof how));
}
CASE(pivot_root_call) { return from(syscall(SYS_pivot_root, ".", ".")); }
CASE(chroot_call) { return from(chroot(arg("ws"))); }
CASE(open_by_handle_at_call) {
  struct {
    struct file_handle handle;
    unsigned char bytes[MAX_HANDLE_SZ];
  } where = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
  int mount_id, root = open("/", O_RDONLY | O_DIRECTORY);
  // Without a handle of the real file, one made by hand: inode 2 is the root of an ext4.
  if (name_to_handle_at(AT_FDCWD, secret(), &where.handle, &mount_id, 0) < 0) where.handle.handle_bytes = 8, where.handle.handle_type = 1, where.bytes[0] = 2;
  return read_canary(open_by_handle_at(root, &where.handle, O_RDONLY));
}
CASE(seccomp_listener) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {1, &allow};
  return from(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}
CASE(fanotify_init_call) { return from(fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY)); }
CASE(init_module_call) { return from(syscall(SYS_init_module, "", 0, "")); }
CASE(finit_module_call) { return from(syscall(SYS_finit_module, 0, "", 0)); }
CASE(delete_module_call) { return from(syscall(SYS_delete_module, "none", O_NONBLOCK)); }
CASE(kexec_load_call) { return from(syscall(SYS_kexec_load, 0, 0, NULL, 0)); }
CASE(reboot_call) { return from(reboot(RB_DISABLE_CAD)); }
CASE(swapon_call) { return from(swapon(scratch("none"), 0)); }
CASE(swapoff_call) { return from(swapoff(scratch("none"))); }
CASE(acct_call) { return from(acct(scratch("none"))); }
CASE(sethostname_call) { return from(sethostname("pwned", 5)); }
CASE(setdomainname_call) { return from(setdomainname("pwned", 5)); }
CASE(clock_settime_call) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return from(syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
}
CASE(settimeofday_call) { return from(syscall(SYS_settimeofday, NULL, NULL) < 0 ? -1 : syscall(SYS_settimeofday, &(struct timeval){1, 0}, NULL)); }
CASE(quotactl_call) { return from(quotactl(QCMD(Q_SYNC, USRQUOTA), "/dev/none", 0, NULL)); }
CASE(syslog_call) { return from(syscall(SYS_syslog, 10, NULL, 0)); }
CASE(vhangup_call) { return from(vhangup()); }
CASE(iopl_call) {
#ifdef __x86_64__
  return from(iopl(3));
#else
  return unsupported(0, "x86-64 only");
#endif
}
CASE(ioperm_call) {
#ifdef __x86_64__
  return from(ioperm(0x80, 1, 1));
#else
  return unsupported(0, "x86-64 only");
#endif
}
CASE(modify_ldt_call) {
#ifdef __x86_64__
  struct user_desc entry = {.entry_number = 0, .limit = 1, .seg_32bit = 1, .useable = 1};
  return from(syscall(SYS_modify_ldt, 1, &entry, sizeof entry));
#else
  return unsupported(0, "x86-64 only");
#endif
}
CASE(kcmp_call) { return from(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0)); }
CASE(process_madvise_call) { return from(syscall(SYS_process_madvise, -1, NULL, 0, 0, 0)); }
CASE(move_pages_call) { return from(syscall(SYS_move_pages, 0, 0, NULL, NULL, NULL, 0)); }
CASE(migrate_pages_call) { return from(syscall(SYS_migrate_pages, 0, 0, NULL, NULL)); }
CASE(memfd_secret_call) { return from(syscall(SYS_memfd_secret, 0)); }
CASE(unknown_call) { return from(syscall(9999)); }
CASE(negative_call) { return from(syscall(-5L)); }
CASE(prctl_set_mm) { return from(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0)); }
CASE(dac_override_device) { return from(open("/dev/mem", O_RDWR)); }
CASE(kernel_parameter) { return write_mark(open("/proc/sys/kernel/core_pattern", O_WRONLY)); }
CASE(sysrq_trigger) { return from(open("/proc/sysrq-trigger", O_WRONLY)); }
CASE(cgroup_escape) {
  char path[512] = "/sys/fs/cgroup/cgroup.procs";
  return write_mark(open(path, O_WRONLY));
}
CASE(kvm_device) { return from(open("/dev/kvm", O_RDWR)); }
CASE(fuse_device) { return from(open("/dev/fuse", O_RDWR)); }
CASE(tun_device) { return from(open("/dev/net/tun", O_RDWR)); }

CASE(mq_open_call) {
  long queue = syscall(SYS_mq_open, "cordon-probe", O_CREAT | O_RDWR, 0600, NULL);
  if (queue >= 0) syscall(SYS_mq_unlink, "cordon-probe");
  return from(queue);
}

#define ROW(name, function) {name, function, 0}
const struct probe_case kernel_cases[] = {
    ROW("io_uring_setup", io_uring_setup_call),
    ROW("io_uring_enter", io_uring_enter_call),
    ROW("io_uring_register", io_uring_register_call),
    ROW("x32-abi", x32_abi),
    ROW("x32-open", x32_open),
    ROW("i386-abi", i386_abi),
    ROW("userfaultfd", userfaultfd_call),
    ROW("userfaultfd-device", userfaultfd_device),
    ROW("personality", personality_call),
    ROW("personality-read-implies-exec", personality_read_implies_exec),
    ROW("perf_event_open", perf_event_open_call),
    ROW("bpf", bpf_call),
    ROW("keyctl", keyctl_call),
    ROW("add_key", add_key_call),
    ROW("request_key", request_key_call),
    ROW("mount", mount_call),
    ROW("mount-bind", mount_bind),
    ROW("mount-remount", mount_remount),
    ROW("umount2", umount2_call),
    ROW("umount2-decoy", umount_home),
    ROW("fsopen", fsopen_call),
    ROW("fspick", fspick_call),
    ROW("fsmount", fsmount_call),
    ROW("fsconfig", fsconfig_call),
    ROW("open_tree", open_tree_call),
    ROW("move_mount", move_mount_call),
    ROW("mount_setattr", mount_setattr_call),
    ROW("pivot_root", pivot_root_call),
    ROW("chroot", chroot_call),
    ROW("open_by_handle_at", open_by_handle_at_call),
    ROW("seccomp-new-listener", seccomp_listener),
    ROW("fanotify_init", fanotify_init_call),
    ROW("init_module", init_module_call),
    ROW("finit_module", finit_module_call),
    ROW("delete_module", delete_module_call),
    ROW("kexec_load", kexec_load_call),
    ROW("reboot", reboot_call),
    ROW("mq_open", mq_open_call),
    ROW("swapon", swapon_call),
    ROW("swapoff", swapoff_call),
    ROW("acct", acct_call),
    ROW("sethostname", sethostname_call),
    ROW("setdomainname", setdomainname_call),
    ROW("clock_settime", clock_settime_call),
    ROW("settimeofday", settimeofday_call),
    ROW("quotactl", quotactl_call),
    ROW("syslog", syslog_call),
    ROW("vhangup", vhangup_call),
    ROW("iopl", iopl_call),
    ROW("ioperm", ioperm_call),
    ROW("modify_ldt", modify_ldt_call),
    ROW("kcmp", kcmp_call),
    ROW("process_madvise", process_madvise_call),
    ROW("move_pages", move_pages_call),
    ROW("migrate_pages", migrate_pages_call),
    ROW("memfd_secret", memfd_secret_call),
    ROW("unknown-call", unknown_call),
    ROW("negative-call", negative_call),
    ROW("prctl-set-mm", prctl_set_mm),
    ROW("dev-mem", dac_override_device),
    ROW("core-pattern", kernel_parameter),
    ROW("sysrq-trigger", sysrq_trigger),
    ROW("cgroup-procs", cgroup_escape),
    ROW("dev-kvm", kvm_device),
    ROW("dev-fuse", fuse_device),
    ROW("dev-net-tun", tun_device),
    ROW(NULL, NULL),
};
