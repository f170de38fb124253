// Running a program that is under a `never` exec rule (the argument `forbidden`), and code without a file.
#include "probe.h"
#include <sys/mman.h>
#include <sys/wait.h>

#define RAN "FORBIDDEN RAN"
#define CASE(name) static struct outcome name(void)

int forbidden_main(void) {
  printf(RAN "\n");
  return 0;
}

// Tells by the image that runs, whatever it was called as.
int who_main(void) {
  char image[4096] = {0};
  if (readlink("/proc/self/exe", image, sizeof image - 1) < 0) return 1;
  return strcmp(strrchr(image, '/') + 1, "forbidden") == 0 ? forbidden_main() : 0;
}

// Prints its arguments, one a line (the argv race compares them with the record).
int echo_main(int argc, char **argv) {
  for (int i = 2; i < argc; i++) printf("%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
  return 0;
}

static struct outcome run_path(const char *path) {
  char *const argv[] = {(char *)path, "--forbidden", NULL};
  return run_program(argv, RAN);
}
static char *forbidden(void) { return (char *)arg("forbidden"); }

CASE(never_path) { return run_path(forbidden()); }
CASE(never_proc_root) { return run_path(join("/proc/self/root", forbidden() + 1)); }
CASE(never_symlink) {
  if (symlink(forbidden(), scratch("innocent")) < 0) return blocked(errno, "symlink refused");
  return run_path(scratch("innocent"));
}
CASE(never_hardlink) {
  if (link(forbidden(), scratch("innocent")) < 0) return blocked(errno, "link refused");
  return run_path(scratch("innocent"));
}
CASE(never_hardlink_existing) { return run_path(scratch("pre-innocent")); }
CASE(never_rename) {
  if (rename(forbidden(), scratch("innocent")) < 0) return blocked(errno, "rename refused");
  return run_path(scratch("innocent"));
}
CASE(never_copy) {
  if (copy_file(forbidden(), scratch("innocent"), 0755) < 0) return blocked(errno, "copy refused");
  return run_path(scratch("innocent"));
}
CASE(never_by_sh) {
  char *const argv[] = {"/bin/sh", "-c", join("", forbidden()) + 1, NULL};
  return run_program(argv, RAN);
}
CASE(never_by_env) {
  char *const argv[] = {"/usr/bin/env", forbidden(), NULL};
  return run_program(argv, RAN);
}
CASE(never_by_ld_so) {
  char *const argv[] = {"/lib64/ld-linux-x86-64.so.2", forbidden(), "--forbidden", NULL};
  return run_program(argv, RAN);
}
CASE(never_by_ld_so_option) {
  char *const argv[] = {"/lib64/ld-linux-x86-64.so.2", "--argv0", "innocent", forbidden(), "--forbidden", NULL};
  return run_program(argv, RAN);
}
CASE(never_by_ld_so_interpreter) {
  char *text = NULL;
  if (asprintf(&text, "#!/lib64/ld-linux-x86-64.so.2 %s\n", forbidden()) < 0) _exit(2);
  if (make_file(scratch("script"), text) < 0 || chmod(scratch("script"), 0755) < 0) return blocked(errno, "no script");
  char *const argv[] = {scratch("script"), "--forbidden", NULL};
  return run_program(argv, RAN);
}
CASE(never_as_interpreter) {
  char *text = NULL;
  if (asprintf(&text, "#!%s\n", forbidden()) < 0) _exit(2);
  if (make_file(scratch("script"), text) < 0 || chmod(scratch("script"), 0755) < 0) return blocked(errno, "no script");
  return run_path(scratch("script"));
}

// execveat in a child, its output read through a pipe as run_program does.
static struct outcome run_at(int fd, const char *path, int flags) {
  int ends[2];
  if (fd < 0) return blocked(errno, "the descriptor was refused");
  if (pipe2(ends, O_CLOEXEC) < 0) return blocked(errno, "pipe refused");
  pid_t child = fork();
  if (child == 0) {
    char *const argv[] = {"innocent", "--forbidden", NULL};
    char *const environment[] = {NULL};
    dup2(ends[1], 1);
    syscall(SYS_execveat, fd, path, argv, environment, flags);
    dprintf(1, "execveat: %s", strerrorname_np(errno));
    _exit(126);
  }
  close(ends[1]);
  char text[256] = {0};
  ssize_t got = read(ends[0], text, sizeof text - 1);
  waitpid(child, NULL, 0);
  if (got > 0 && strstr(text, RAN)) return succeeded("%s", text);
  return blocked(0, "%s", text);
}
CASE(never_execveat_fd) { return run_at(open(forbidden(), O_PATH | O_CLOEXEC), "", AT_EMPTY_PATH); }
CASE(never_execveat_dirfd) {
  char *path = strdup(forbidden()), *slash = strrchr(path, '/');
  *slash = 0;
  return run_at(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), slash + 1, 0);
}
CASE(never_proc_self_fd) {
  int fd = open(forbidden(), O_PATH);
  if (fd < 0) return blocked(errno, "O_PATH refused");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return run_path(path);
}

// A program that is in no file system at all.
static int memory_program(void) {
  int fd = memfd_create("innocent", 0);
  if (fd < 0) return -1;
  int source = open("/proc/self/exe", O_RDONLY);
  char block[65536];
  for (ssize_t got; (got = read(source, block, sizeof block)) > 0;)
    if (write(fd, block, (size_t)got) != got) return -1;
  close(source);
  return fd;
}
CASE(memfd_execveat) { return run_at(memory_program(), "", AT_EMPTY_PATH); }
CASE(memfd_proc_self_fd) {
  int fd = memory_program();
  if (fd < 0) return blocked(errno, "memfd refused");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return run_path(path);
}
CASE(memfd_parent_proc_fd) {
  // Through the parent's /proc entry: another path to the same anonymous file.
  int fd = memory_program();
  if (fd < 0) return blocked(errno, "memfd refused");
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), fd);
  return run_path(path);
}
CASE(tmpfile_exec) {
  int fd = open(scratch(""), O_TMPFILE | O_RDWR, 0755);
  if (fd < 0) return blocked(errno, "O_TMPFILE refused");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (copy_file(forbidden(), path, 0755) < 0) return blocked(errno, "copy refused");
  int read_only = open(path, O_RDONLY | O_CLOEXEC);
  close(fd);
  return run_at(read_only, "", AT_EMPTY_PATH);
}

// Cordon's own command line, from inside, told where the daemon's socket is.
static struct outcome by_cordon(char *const argv[], const char *mark) {
  setenv("CORDON_SOCKET", join(arg("rundir"), "admin.sock"), 1);
  return run_program(argv, mark);
}
CASE(nested_run) {
  char *const argv[] = {(char *)arg("cordon"), "run", "--workspace", (char *)arg("ws"), "--", "/bin/echo", "NESTED", "RAN", NULL};
  return by_cordon(argv, "NESTED RAN");
}
// What waits in a named pipe is its readers': who only looks at an image must not take it.
CASE(fifo_image) {
  const char *path = scratch("pipe");
  if (mkfifo(path, 0755) < 0) return unsupported(errno, "mkfifo");
  int fd = open(path, O_RDWR | O_NONBLOCK);
  if (fd < 0 || write(fd, MARK, strlen(MARK)) < 0) return unsupported(errno, "the pipe cannot be filled");
  char *const argv[] = {(char *)path, NULL};
  run_program(argv, MARK);
  char text[16] = {0};
  if (read(fd, text, sizeof text - 1) == (ssize_t)strlen(MARK)) return blocked(EACCES, "it is still there");
  return succeeded("what was in the pipe is gone");
}
CASE(directory_image) {
  char *const argv[] = {(char *)arg("ws"), NULL};
  return execv(argv[0], argv) < 0 && errno == EACCES ? blocked(EACCES, "as the kernel says") : succeeded("errno %d", errno);
}

CASE(nested_control) {
  char *const argv[] = {(char *)arg("cordon"), "sessions", "--json", NULL};
  return by_cordon(argv, "\"sessions\"");
}

const struct probe_case exec_cases[] = {
    {"exec-never-path", never_path, 0},
    {"exec-never-proc-self-root", never_proc_root, 0},
    {"exec-never-symlink", never_symlink, 0},
    {"exec-never-hardlink-new", never_hardlink, 0},
    {"exec-never-hardlink-preexisting", never_hardlink_existing, 0},
    {"exec-never-rename", never_rename, 0},
    {"exec-never-copy", never_copy, 0},
    {"exec-never-by-sh", never_by_sh, 0},
    {"exec-never-by-env", never_by_env, 0},
    {"exec-never-by-ld-so", never_by_ld_so, 0},
    {"exec-never-by-ld-so-option", never_by_ld_so_option, 0},
    {"exec-never-by-ld-so-interpreter", never_by_ld_so_interpreter, 0},
    {"exec-never-as-interpreter", never_as_interpreter, 0},
    {"exec-never-execveat-fd", never_execveat_fd, 0},
    {"exec-never-execveat-dirfd", never_execveat_dirfd, 0},
    {"exec-never-proc-self-fd", never_proc_self_fd, 0},
    {"memfd-execveat", memfd_execveat, 0},
    {"memfd-proc-self-fd", memfd_proc_self_fd, 0},
    {"memfd-parent-proc-fd", memfd_parent_proc_fd, 0},
    {"exec-never-unnamed-copy", tmpfile_exec, 0},
    {"exec-fifo", fifo_image, 0},
    {"exec-directory", directory_image, 0},
    {"nested-cordon-run", nested_run, 0},
    {"nested-cordon-control", nested_control, 0},
    {NULL, NULL, 0},
};
