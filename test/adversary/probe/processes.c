// Other processes, descriptors, namespaces, identity: what a process may try against its surroundings.
#include "probe.h"
#include <dirent.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>

#define CASE(name) static struct outcome name(void)

static volatile char target_memory[16] = "UNTOUCHED";

// A child that waits; it holds the same memory and descriptors as we do.
static pid_t victim_child(void) {
  pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  return child;
}
static void end_child(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

CASE(ptrace_traceme) { return from(ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }
CASE(ptrace_attach) {
  pid_t child = victim_child();
  struct outcome outcome = from(ptrace(PTRACE_ATTACH, child, NULL, NULL));
  end_child(child);
  return outcome;
}
CASE(ptrace_seize) {
  pid_t child = victim_child();
  struct outcome outcome = from(ptrace(PTRACE_SEIZE, child, NULL, NULL));
  end_child(child);
  return outcome;
}
static int child_mem(pid_t child, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", child);
  return open(path, flags);
}
CASE(proc_mem_write) {
  pid_t child = victim_child();
  int fd = child_mem(child, O_RDWR);
  struct outcome outcome = fd < 0 ? blocked(errno, "open refused") : from(pwrite(fd, MARK, 5, (off_t)(size_t)target_memory));
  end_child(child);
  return outcome;
}
// The same memory through the task directory, of a child and of pid 1, which is root's.
static struct outcome task_mem(int pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task/%d/mem", pid, pid);
  int fd = open(path, O_RDWR);
  return fd < 0 ? blocked(errno, "open refused") : succeeded("opened %s for writing", path);
}
CASE(proc_task_mem_write) {
  pid_t child = victim_child();
  struct outcome outcome = task_mem(child);
  end_child(child);
  return outcome;
}
CASE(proc_1_task_mem_write) { return task_mem(1); }
CASE(proc_1_mem_write) { return from(child_mem(1, O_RDWR)); }
CASE(proc_1_comm_write) {
  int fd = open("/proc/1/comm", O_WRONLY);
  return write_mark(fd);
}
CASE(process_vm_readv_child) {
  pid_t child = victim_child();
  char text[16] = {0};
  struct iovec local = {text, sizeof text}, remote = {(void *)target_memory, sizeof text};
  struct outcome outcome = from(process_vm_readv(child, &local, 1, &remote, 1, 0));
  end_child(child);
  return outcome;
}
CASE(process_vm_writev_child) {
  pid_t child = victim_child();
  char text[16] = MARK;
  struct iovec local = {text, sizeof text}, remote = {(void *)target_memory, sizeof text};
  struct outcome outcome = from(process_vm_writev(child, &local, 1, &remote, 1, 0));
  end_child(child);
  return outcome;
}
CASE(pidfd_getfd_child) {
  pid_t child = victim_child();
  int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
  struct outcome outcome = from(syscall(SYS_pidfd_getfd, pidfd, 1, 0));
  end_child(child);
  return outcome;
}

// A process of the same user outside the sandbox (its pid in the host's pid namespace is the argument `hostpid`).
static pid_t host_pid(void) { return (pid_t)number("hostpid", -1); }
CASE(host_process_visible) {
  char path[64], text[256] = {0};
  snprintf(path, sizeof path, "/proc/%d/cmdline", host_pid());
  int fd = open(path, O_RDONLY);
  if (fd < 0) return blocked(errno, "not there");
  ssize_t got = read(fd, text, sizeof text - 1);
  for (ssize_t i = 0; i < got - 1; i++)
    if (!text[i]) text[i] = ' ';
  return strstr(text, "host-victim") ? succeeded("%s", text) : blocked(0, "another process: %s", text);
}
static int is_host_victim(void) { return host_process_visible().result == SUCCEEDED; }
CASE(host_process_kill) {
  if (kill(host_pid(), 0) < 0) return blocked(errno, "no such process");
  // A process of our own may have the same number in our pid namespace: that one we leave alone.
  if (!is_host_victim()) return blocked(0, "the number names another process");
  return from(kill(host_pid(), SIGUSR1));
}
CASE(host_process_pidfd) {
  int pidfd = (int)syscall(SYS_pidfd_open, host_pid(), 0);
  if (pidfd < 0) return blocked(errno, "no such process");
  if (!is_host_victim()) return blocked(0, "the number names another process");
  return from(syscall(SYS_pidfd_send_signal, pidfd, SIGUSR1, NULL, 0));
}
CASE(host_process_priority) {
  if (setpriority(PRIO_PROCESS, (id_t)host_pid(), 19) < 0) return blocked(errno, "refused");
  return is_host_victim() ? succeeded("changed") : blocked(0, "the number names another process");
}
CASE(host_process_environ) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/environ", host_pid());
  return read_canary(open(path, O_RDONLY));
}

// Typing into the controlling terminal.
CASE(tiocsti) {
  setsid();
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) return unsupported(errno, "no pty");
  int slave = open(ptsname(master), O_RDWR);
  if (slave < 0) return unsupported(errno, "no pty");
  ioctl(slave, TIOCSCTTY, 0);
  char letter = 'x';
  return from(ioctl(slave, TIOCSTI, &letter));
}
CASE(tiocsti_high_bits) {
  // The kernel looks at the low 32 bits of the request only: a filter that compares 64 bits misses this.
  setsid();
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) return unsupported(errno, "no pty");
  int slave = open(ptsname(master), O_RDWR);
  if (slave < 0) return unsupported(errno, "no pty");
  ioctl(slave, TIOCSCTTY, 0);
  char letter = 'x';
  return from(syscall(SYS_ioctl, slave, 0x100000000UL | TIOCSTI, &letter));
}
#define TIOCLINUX_NUMBER 0x541C
CASE(tioclinux) {
  char letter = 6;
  int fd = open("/dev/tty", O_RDWR);
  return from(ioctl(fd < 0 ? 0 : fd, TIOCLINUX_NUMBER, &letter));
}

// What we were born with, besides 0, 1 and 2; taken down before main opens anything.
static char inherited[1024];
__attribute__((constructor)) static void note_inherited(void) {
  DIR *directory = opendir("/proc/self/fd");
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    int fd = atoi(entry->d_name);
    if (fd <= 2 || fd == dirfd(directory)) continue;
    char target[128] = {0};
    if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) < 0) continue;
    size_t used = strlen(inherited);
    snprintf(inherited + used, sizeof inherited - used, "%d=%s ", fd, target);
  }
  closedir(directory);
}
CASE(inherited_fd) { return inherited[0] ? succeeded("%s", inherited) : blocked(0, "none"); }

// An orphan in a session of its own, deaf to the polite signals: it must not outlive the session.
static struct outcome orphan(int stopped) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return blocked(errno, "pipe refused");
  pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    signal(SIGTERM, SIG_IGN), signal(SIGHUP, SIG_IGN), signal(SIGINT, SIG_IGN);
    // A stopped one stops itself only after exec: the pipe closes at exec.
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0), dup2(null, 1), dup2(null, 2);
    char *name = NULL;
    if (asprintf(&name, "orphan-%s-%s", arg("token"), case_name()) < 0) _exit(2);
    char *const sleeper[] = {name, stopped ? "kill -STOP $$; sleep 1000" : "trap '' TERM HUP; sleep 1000; :", NULL};
    char *const argv[] = {name, "-c", sleeper[1], NULL};
    execv("/bin/sh", argv);
    _exit(1);
  }
  close(ends[1]);
  char byte;
  waitpid(child, NULL, 0);
  if (read(ends[0], &byte, 1) != 0) return blocked(errno, "the orphan did not start");
  return succeeded("started");
}
CASE(double_fork) { return orphan(0); }
CASE(double_fork_stopped) { return orphan(1); }

// --- setuid bits; what was made is left for the harness to look at
#define SETUID 04755
static struct outcome bits(const char *path, long returned) {
  struct stat about;
  int err = errno;
  if (returned < 0) return blocked(err, "refused");
  if (stat(path, &about) < 0) return blocked(errno, "nothing was made");
  return about.st_mode & 06000 ? succeeded("mode %o", about.st_mode) : blocked(0, "mode %o", about.st_mode);
}
static char *tool(void) {
  char *path = scratch("tool");
  if (make_file(path, "#!/bin/sh\n") < 0) return path;
  return path;
}
CASE(setuid_chmod) {
  char *path = tool();
  return bits(path, chmod(path, SETUID));
}
CASE(setgid_chmod) {
  char *path = tool();
  return bits(path, chmod(path, 02755));
}
CASE(setuid_fchmod) {
  char *path = tool();
  return bits(path, fchmod(open(path, O_RDONLY), SETUID));
}
CASE(setuid_fchmodat) {
  char *path = tool();
  return bits(path, syscall(SYS_fchmodat, AT_FDCWD, path, SETUID));
}
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
CASE(setuid_fchmodat2) {
  char *path = tool();
  return bits(path, syscall(SYS_fchmodat2, AT_FDCWD, path, SETUID, 0));
}
CASE(setuid_open) {
  int fd = open(scratch("tool"), O_WRONLY | O_CREAT, SETUID);
  return bits(scratch("tool"), fd);
}
CASE(setuid_creat) { return bits(scratch("tool"), syscall(SYS_creat, scratch("tool"), SETUID)); }
CASE(setuid_mknod) { return bits(scratch("tool"), mknod(scratch("tool"), S_IFREG | SETUID, 0)); }
CASE(setuid_tmpfile) {
  int fd = open(scratch(""), O_TMPFILE | O_RDWR, SETUID);
  if (fd < 0) return blocked(errno, "O_TMPFILE refused");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return bits(scratch("tool"), linkat(AT_FDCWD, path, AT_FDCWD, scratch("tool"), AT_SYMLINK_FOLLOW));
}
CASE(setgid_directory) { return bits(scratch("tool"), mkdir(scratch("tool"), 02755) < 0 ? -1 : chmod(scratch("tool"), 02755)); }

// --- namespaces
static struct outcome in_clone(unsigned long flags) {
  long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  if (child > 0) waitpid((pid_t)child, NULL, 0);
  return from(child);
}
CASE(clone_newuser) { return in_clone(CLONE_NEWUSER); }
CASE(clone_newuser_newns) { return in_clone(CLONE_NEWUSER | CLONE_NEWNS); }
CASE(clone3_newuser) {
  struct clone_args how = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long child = syscall(SYS_clone3, &how, sizeof how);
  if (child == 0) _exit(0);
  if (child > 0) waitpid((pid_t)child, NULL, 0);
  return from(child);
}
CASE(unshare_newuser) { return from(unshare(CLONE_NEWUSER)); }
CASE(unshare_newns) { return from(unshare(CLONE_NEWNS)); }
CASE(unshare_newnet_in_newuser) { return from(unshare(CLONE_NEWUSER | CLONE_NEWNET)); }
CASE(unshare_by_program) {
  char *const argv[] = {"/usr/bin/unshare", "--user", "--map-root-user", "--mount", "/bin/echo", "NESTED RAN", NULL};
  return run_program(argv, "NESTED RAN");
}
CASE(bwrap_nested) {
  char *const argv[] = {"/usr/bin/bwrap", "--unshare-user", "--ro-bind", "/", "/", "/bin/echo", "NESTED RAN", NULL};
  return run_program(argv, "NESTED RAN");
}
CASE(setns_init) {
  int fd = open("/proc/1/ns/mnt", O_RDONLY);
  if (fd < 0) fd = open("/proc/self/ns/mnt", O_RDONLY);
  return from(setns(fd, CLONE_NEWNS));
}
CASE(setuid_program) {
  // A setuid-root program must not gain anything (no_new_privs).
  char *const argv[] = {"/bin/su", "-c", "id -u", NULL};
  return run_program(argv, "0\n");
}
// Whether a line of /proc/self/status holds these numbers, the user's own, and no others.
static int four_times(const char *line, unsigned id) {
  unsigned a, b, c, d;
  return line && sscanf(strchr(line, '\t'), "%u %u %u %u", &a, &b, &c, &d) == 4 && a == id && b == id && c == id && d == id;
}
static int no_capability(const char *text) {
  const char *const sets[] = {"CapInh:\t", "CapPrm:\t", "CapEff:\t", "CapAmb:\t"};
  for (unsigned i = 0; i < 4; i++) {
    const char *line = strstr(text, sets[i]);
    if (!line || strncmp(line + 8, "0000000000000000", 16) != 0) return 0;
  }
  return 1;
}
CASE(capabilities) {
  char text[4096] = {0};
  int fd = open("/proc/self/status", O_RDONLY);
  if (fd < 0 || read(fd, text, sizeof text - 1) < 0) return unsupported(errno, "no status");
  const char *nnp = strstr(text, "NoNewPrivs:\t");
  if (!nnp) return unsupported(0, "status without the fields");
  int user = getuid() != 0 && four_times(strstr(text, "Uid:\t"), getuid());
  int group = getgid() != 0 && four_times(strstr(text, "Gid:\t"), getgid()) && getgroups(0, NULL) == 0;
  if (nnp[12] == '1' && no_capability(text) && user && group) return blocked(0, "uid %d and nothing else", getuid());
  return succeeded("NoNewPrivs %c, capabilities %s, user ids %s, group ids %s", nnp[12],
                   no_capability(text) ? "none" : "some", user ? "its own" : "others", group ? "its own" : "others");
}

const struct probe_case process_cases[] = {
    {"ptrace-traceme", ptrace_traceme, 0},
    {"ptrace-attach", ptrace_attach, 0},
    {"ptrace-seize", ptrace_seize, 0},
    {"proc-mem-write", proc_mem_write, 0},
    {"proc-task-mem-write", proc_task_mem_write, 0},
    {"proc-1-task-mem-write", proc_1_task_mem_write, 0},
    {"proc-1-mem-write", proc_1_mem_write, 0},
    {"proc-1-comm-write", proc_1_comm_write, 0},
    {"process-vm-readv", process_vm_readv_child, 0},
    {"process-vm-writev", process_vm_writev_child, 0},
    {"pidfd-getfd", pidfd_getfd_child, 0},
    {"host-process-visible", host_process_visible, 0},
    {"host-process-kill", host_process_kill, 0},
    {"host-process-pidfd", host_process_pidfd, 0},
    {"host-process-priority", host_process_priority, 0},
    {"host-process-environ", host_process_environ, 0},
    {"tiocsti", tiocsti, 0},
    {"tiocsti-high-bits", tiocsti_high_bits, 0},
    {"tioclinux", tioclinux, 0},
    {"inherited-fd", inherited_fd, 0},
    {"double-fork", double_fork, 0},
    {"double-fork-stopped", double_fork_stopped, 0},
    {"setuid-chmod", setuid_chmod, 0},
    {"setgid-chmod", setgid_chmod, 0},
    {"setuid-fchmod", setuid_fchmod, 0},
    {"setuid-fchmodat", setuid_fchmodat, 0},
    {"setuid-fchmodat2", setuid_fchmodat2, 0},
    {"setuid-open", setuid_open, 0},
    {"setuid-creat", setuid_creat, 0},
    {"setuid-mknod", setuid_mknod, 0},
    {"setuid-tmpfile", setuid_tmpfile, 0},
    {"setgid-directory", setgid_directory, 0},
    {"clone-newuser", clone_newuser, 0},
    {"clone-newuser-newns", clone_newuser_newns, 0},
    {"clone3-newuser", clone3_newuser, 0},
    {"unshare-newuser", unshare_newuser, 0},
    {"unshare-newns", unshare_newns, 0},
    {"unshare-newuser-newnet", unshare_newnet_in_newuser, 0},
    {"unshare-program", unshare_by_program, 0},
    {"bwrap-nested", bwrap_nested, 0},
    {"setns-init", setns_init, 0},
    {"setuid-program", setuid_program, 0},
    {"capabilities", capabilities, 0},
    {NULL, NULL, 0},
};
