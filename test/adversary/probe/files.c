// Reads of what is never to be read, and every way to change what lies outside the workspace.
#include "probe.h"
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define VICTIM outside("victim")
#define SECRET secret()
#define CASE(name) static struct outcome name(void)

// --- reading a file under `never`
CASE(secret_read) { return read_canary(open(SECRET, O_RDONLY)); }
CASE(secret_read_rdwr) { return read_canary(open(SECRET, O_RDWR)); }
CASE(secret_read_dotdot) {
  char *path = NULL;
  if (asprintf(&path, "%s/../vault/%s.id_rsa", arg("ws"), case_name()) < 0) _exit(2);
  return read_canary(open(path, O_RDONLY));
}
CASE(secret_read_proc_root) { return read_canary(open(join("/proc/self/root", SECRET + 1), O_RDONLY)); }
CASE(secret_read_proc_cwd) {
  if (chdir(arg("base")) < 0) return blocked(errno, "chdir refused");
  char *path = NULL;
  if (asprintf(&path, "/proc/self/cwd/vault/%s.id_rsa", case_name()) < 0) _exit(2);
  return read_canary(open(path, O_RDONLY));
}
CASE(secret_read_dev_fd) {
  int base = open(arg("base"), O_RDONLY | O_DIRECTORY);
  if (base < 0) base = open(arg("base"), O_PATH | O_DIRECTORY);
  char *path = NULL;
  if (asprintf(&path, "/dev/fd/%d/vault/%s.id_rsa", base, case_name()) < 0) _exit(2);
  return read_canary(open(path, O_RDONLY));
}
CASE(secret_read_dirfd) {
  int directory = open(arg("vault"), O_PATH | O_DIRECTORY);
  if (directory < 0) return blocked(errno, "the directory refused");
  return read_canary(openat(directory, strrchr(SECRET, '/') + 1, O_RDONLY));
}
CASE(secret_read_fchdir) {
  int base = open(arg("base"), O_PATH | O_DIRECTORY);
  if (base < 0 || fchdir(base) < 0) return blocked(errno, "fchdir refused");
  return read_canary(open(strstr(SECRET, "vault/"), O_RDONLY));
}
CASE(secret_read_openat2) {
  struct open_how how = {.flags = O_RDONLY};
  int fd = (int)syscall(SYS_openat2, AT_FDCWD, SECRET, &how, sizeof how);
  return read_canary(fd);
}
CASE(secret_read_o_path_reopen) {
  int fd = open(SECRET, O_PATH);
  if (fd < 0) return blocked(errno, "O_PATH refused");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return read_canary(open(path, O_RDONLY));
}
CASE(secret_read_i_o_direct) { return read_canary(open(SECRET, O_RDONLY | O_NOATIME | O_NOFOLLOW)); }
CASE(secret_mmap_exec) {
  char *const cat[] = {"/bin/cat", SECRET, NULL};
  return run_program(cat, CANARY);
}
CASE(secret_read_nested) {
  return read_canary(open(join(join(arg("vault"), "deep/er"), strrchr(SECRET, '/') + 1), O_RDONLY));
}
CASE(home_ssh_read) { return read_canary(open(join(arg("home"), ".ssh/id_rsa"), O_RDONLY)); }
static struct outcome watch(const char *directory) {
  int watcher = inotify_init1(IN_CLOEXEC);
  if (watcher < 0) return unsupported(errno, "inotify");
  return from(inotify_add_watch(watcher, directory, IN_ALL_EVENTS));
}
CASE(secret_watch) { return watch(join(arg("vault"), "deep")); }
CASE(secret_watch_o_path) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", open(join(arg("vault"), "deep"), O_PATH | O_DIRECTORY));
  return watch(path);
}
CASE(workspace_watch) {
  int watcher = inotify_init1(IN_CLOEXEC);
  const char *directory = scratch("");
  if (inotify_add_watch(watcher, directory, IN_CREATE | IN_ONLYDIR) < 0) return blocked(errno, "watch refused");
  if (make_file(scratch("seen"), "x") < 0) return blocked(errno, "create refused");
  char event[4096] = {0};
  if (read(watcher, event, sizeof event) <= 0) return blocked(errno, "no event");
  const char *name = ((struct inotify_event *)event)->name;
  return strcmp(name, "seen") == 0 ? succeeded("saw %s", name) : blocked(0, "saw %s", name);
}
CASE(dotenv_read) { return read_canary(open(scratch(".env"), O_RDONLY)); }
CASE(dotenv_rename_then_read) {
  if (rename(scratch(".env"), scratch("plain")) < 0) return blocked(errno, "rename refused");
  return read_canary(open(scratch("plain"), O_RDONLY));
}
CASE(dotenv_link_then_read) {
  if (link(scratch(".env"), scratch("plain")) < 0) return blocked(errno, "link refused");
  return read_canary(open(scratch("plain"), O_RDONLY));
}
CASE(dotenv_symlink_then_read) {
  if (symlink(".env", scratch("plain")) < 0) return blocked(errno, "symlink refused");
  return read_canary(open(scratch("plain"), O_RDONLY));
}
CASE(dotenv_write) { return write_mark(open(scratch(".env"), O_WRONLY | O_APPEND)); }
CASE(rename_onto_dotenv) {
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  return from(rename(scratch("mine"), scratch(".env")));
}
CASE(rename_exchange_dotenv) {
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  if (syscall(SYS_renameat2, AT_FDCWD, scratch("mine"), AT_FDCWD, scratch(".env"), RENAME_EXCHANGE) < 0)
    return blocked(errno, "exchange refused");
  return read_canary(open(scratch("mine"), O_RDONLY));
}
// A `never` file inside the workspace, by a literal rule; its directory is moved away and the file read there.
CASE(rename_parent_of_never) {
  if (rename(scratch("vault2"), scratch("moved")) < 0) return blocked(errno, "rename of the parent refused");
  return read_canary(open(scratch("moved/key"), O_RDONLY));
}
CASE(exchange_parent_of_never) {
  if (mkdir(scratch("other"), 0755) < 0) return unsupported(errno, "no directory of our own");
  if (syscall(SYS_renameat2, AT_FDCWD, scratch("vault2"), AT_FDCWD, scratch("other"), RENAME_EXCHANGE) < 0)
    return blocked(errno, "exchange refused");
  return read_canary(open(scratch("other/key"), O_RDONLY));
}
// Prefix collisions. The first must work (its own rule allows it), the second must not.
CASE(prefix_read) { return read_canary(open(join(join(arg("vaultfoo"), case_name()), "notes"), O_RDONLY)); }
CASE(prefix_write) { return write_mark(open(join(join(arg("wsfoo"), case_name()), "victim"), O_WRONLY | O_APPEND)); }
CASE(prefix_create) { return write_mark(open(join(join(arg("wsfoo"), case_name()), "created"), O_WRONLY | O_CREAT, 0644)); }

// --- changing what lies outside
CASE(out_create) { return write_mark(open(outside("created"), O_WRONLY | O_CREAT, 0644)); }
CASE(out_create_excl) { return write_mark(open(outside("created"), O_RDWR | O_CREAT | O_EXCL, 0644)); }
CASE(out_creat) { return write_mark(creat(VICTIM, 0644)); }
CASE(out_write) { return write_mark(open(VICTIM, O_WRONLY)); }
CASE(out_append) { return write_mark(open(VICTIM, O_WRONLY | O_APPEND)); }
CASE(out_rdwr) { return write_mark(open(VICTIM, O_RDWR)); }
CASE(out_truncate) { return from(truncate(VICTIM, 0)); }
CASE(out_open_trunc) { return from(open(VICTIM, O_WRONLY | O_TRUNC)); }
CASE(out_rdonly_trunc) { return from(open(VICTIM, O_RDONLY | O_TRUNC)); }
CASE(out_openat2_create) {
  struct open_how how = {.flags = O_WRONLY | O_CREAT, .mode = 0644};
  return write_mark((int)syscall(SYS_openat2, AT_FDCWD, outside("created"), &how, sizeof how));
}
CASE(out_openat2_write) {
  struct open_how how = {.flags = O_WRONLY};
  return write_mark((int)syscall(SYS_openat2, AT_FDCWD, VICTIM, &how, sizeof how));
}
CASE(out_dirfd_create) {
  int directory = open(outside(""), O_PATH | O_DIRECTORY);
  if (directory < 0) return blocked(errno, "the directory refused");
  return write_mark(openat(directory, "created", O_WRONLY | O_CREAT, 0644));
}
CASE(out_proc_root_write) { return write_mark(open(join("/proc/self/root", VICTIM + 1), O_WRONLY)); }
CASE(out_proc_thread_root_write) { return write_mark(open(join("/proc/thread-self/root", VICTIM + 1), O_WRONLY)); }
CASE(out_proc_init_root_write) { return write_mark(open(join("/proc/1/root", VICTIM + 1), O_WRONLY)); }
CASE(out_dev_fd_create) {
  int directory = open(outside(""), O_PATH | O_DIRECTORY);
  char path[64];
  snprintf(path, sizeof path, "/dev/fd/%d/created", directory);
  return write_mark(open(path, O_WRONLY | O_CREAT, 0644));
}
// A read-only descriptor, opened again for writing through /proc.
static int reopen(int flags, int again) {
  int fd = open(VICTIM, flags);
  if (fd < 0) return -1;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, again);
}
CASE(out_reopen_rdwr) { return write_mark(reopen(O_RDONLY, O_RDWR)); }
CASE(out_reopen_o_path) { return write_mark(reopen(O_PATH, O_WRONLY)); }
CASE(out_reopen_trunc) { return from(reopen(O_PATH, O_RDONLY | O_TRUNC)); }
CASE(out_unlink) { return from(unlink(VICTIM)); }
CASE(out_unlinkat) {
  int directory = open(outside(""), O_PATH | O_DIRECTORY);
  return from(unlinkat(directory, "victim", 0));
}
CASE(out_rmdir) { return from(rmdir(outside("directory"))); }
CASE(out_mkdir) { return from(mkdir(outside("created"), 0755)); }
CASE(out_mknod_file) { return from(mknod(outside("created"), S_IFREG | 0644, 0)); }
CASE(out_mkfifo) { return from(mkfifo(outside("created"), 0644)); }
CASE(out_fifo_write) { return write_mark(open(outside("fifo"), O_RDWR | O_NONBLOCK)); }
CASE(out_mknod_device) { return from(mknod(scratch("created"), S_IFCHR | 0666, (1 << 8) | 5)); }
CASE(out_symlink) { return from(symlink("/etc/passwd", outside("created"))); }
CASE(out_link) { return from(link(VICTIM, outside("created"))); }
CASE(out_link_in) {
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  return from(link(scratch("mine"), outside("created")));
}
CASE(out_rename_from) { return from(rename(VICTIM, scratch("stolen"))); }
CASE(out_rename_onto) {
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  return from(rename(scratch("mine"), VICTIM));
}
CASE(out_rename_within) { return from(rename(VICTIM, outside("moved"))); }
CASE(out_rename_exchange) {
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  return from(syscall(SYS_renameat2, AT_FDCWD, scratch("mine"), AT_FDCWD, VICTIM, RENAME_EXCHANGE));
}
CASE(out_rename_noreplace) {
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  return from(syscall(SYS_renameat2, AT_FDCWD, scratch("mine"), AT_FDCWD, outside("created"), RENAME_NOREPLACE));
}
CASE(out_chmod) { return from(chmod(VICTIM, 0600)); }
CASE(out_fchmod) {
  int fd = open(VICTIM, O_RDONLY);
  return fd < 0 ? blocked(errno, "open refused") : from(fchmod(fd, 0600));
}
CASE(out_fchmodat) { return from(fchmodat(AT_FDCWD, VICTIM, 0600, 0)); }
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
CASE(out_fchmodat2) { return from(syscall(SYS_fchmodat2, AT_FDCWD, VICTIM, 0600, 0)); }
CASE(out_chown) { return from(chown(VICTIM, (uid_t)-1, getgid())); }
CASE(out_fchown) {
  int fd = open(VICTIM, O_RDONLY);
  return fd < 0 ? blocked(errno, "open refused") : from(fchown(fd, (uid_t)-1, getgid()));
}
CASE(out_utimensat) { return from(utimensat(AT_FDCWD, VICTIM, NULL, 0)); }
CASE(out_utimes) { return from(utimes(VICTIM, NULL)); }
CASE(out_futimens) {
  int fd = open(VICTIM, O_RDONLY);
  return fd < 0 ? blocked(errno, "open refused") : from(futimens(fd, NULL));
}
CASE(out_setxattr) { return from(setxattr(VICTIM, "user.probe", MARK, 5, 0)); }
CASE(out_fsetxattr) {
  int fd = open(VICTIM, O_RDONLY);
  return fd < 0 ? blocked(errno, "open refused") : from(fsetxattr(fd, "user.probe", MARK, 5, 0));
}
CASE(out_setflags) {
  int fd = open(VICTIM, O_RDONLY), flags = 0;
  if (fd < 0) return blocked(errno, "open refused");
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return blocked(errno, "FS_IOC_GETFLAGS refused");
  flags ^= FS_NODUMP_FL;
  return from(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}
// An unnamed file, given a name outside afterwards.
CASE(out_tmpfile_link) {
  int fd = open(outside(""), O_TMPFILE | O_RDWR, 0644);
  if (fd < 0) return blocked(errno, "O_TMPFILE outside refused");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return from(linkat(AT_FDCWD, path, AT_FDCWD, outside("created"), AT_SYMLINK_FOLLOW));
}
CASE(ws_tmpfile_link_out) {
  int fd = open(scratch(""), O_TMPFILE | O_RDWR, 0644);
  if (fd < 0) fd = open(scratch("mine"), O_RDWR | O_CREAT, 0644);
  if (fd < 0) return blocked(errno, "no file of our own");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return from(linkat(AT_FDCWD, path, AT_FDCWD, outside("created"), AT_SYMLINK_FOLLOW));
}
CASE(out_bind_socket) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  // The path is relative, so that it fits in 108 bytes wherever the fixture lies.
  if (chdir(outside("")) < 0) return blocked(errno, "chdir refused");
  strcpy(name.sun_path, "created");
  return from(bind(fd, (struct sockaddr *)&name, sizeof name));
}
CASE(secret_write) { return write_mark(open(SECRET, O_WRONLY | O_APPEND)); }
CASE(secret_truncate) { return from(truncate(SECRET, 0)); }
CASE(secret_unlink) { return from(unlink(SECRET)); }
CASE(secret_rename) {
  if (rename(SECRET, scratch("stolen")) < 0) return blocked(errno, "rename refused");
  return read_canary(open(scratch("stolen"), O_RDONLY));
}
CASE(secret_directory_rename) {
  if (rename(arg("vault"), scratch("stolen")) < 0) return blocked(errno, "rename refused");
  return read_canary(open(join(scratch("stolen"), strrchr(SECRET, '/') + 1), O_RDONLY));
}
CASE(secret_chmod) { return from(chmod(SECRET, 0644)); }

const struct probe_case file_cases[] = {
    {"secret-read", secret_read, 0},
    {"secret-read-rdwr", secret_read_rdwr, 0},
    {"secret-read-dotdot", secret_read_dotdot, 0},
    {"secret-read-proc-self-root", secret_read_proc_root, 0},
    {"secret-read-proc-self-cwd", secret_read_proc_cwd, 0},
    {"secret-read-dev-fd", secret_read_dev_fd, 0},
    {"secret-read-dirfd", secret_read_dirfd, 0},
    {"secret-read-fchdir", secret_read_fchdir, 0},
    {"secret-read-openat2", secret_read_openat2, 0},
    {"secret-read-o-path-reopen", secret_read_o_path_reopen, 0},
    {"secret-read-noatime-nofollow", secret_read_i_o_direct, 0},
    {"secret-read-by-cat", secret_mmap_exec, 0},
    {"secret-read-nested", secret_read_nested, 0},
    {"secret-watch", secret_watch, 0},
    {"secret-watch-o-path", secret_watch_o_path, 0},
    {"workspace-watch", workspace_watch, 0},
    {"home-ssh-read", home_ssh_read, 0},
    {"dotenv-read", dotenv_read, 0},
    {"dotenv-rename-then-read", dotenv_rename_then_read, 0},
    {"dotenv-link-then-read", dotenv_link_then_read, 0},
    {"dotenv-symlink-then-read", dotenv_symlink_then_read, 0},
    {"dotenv-write", dotenv_write, 0},
    {"rename-onto-dotenv", rename_onto_dotenv, 0},
    {"rename-exchange-dotenv", rename_exchange_dotenv, 0},
    {"rename-parent-of-never", rename_parent_of_never, 0},
    {"exchange-parent-of-never", exchange_parent_of_never, 0},
    {"prefix-read", prefix_read, 0},
    {"prefix-write", prefix_write, 0},
    {"prefix-create", prefix_create, 0},
    {"outside-create", out_create, 0},
    {"outside-create-excl", out_create_excl, 0},
    {"outside-creat", out_creat, 0},
    {"outside-write", out_write, 0},
    {"outside-append", out_append, 0},
    {"outside-rdwr", out_rdwr, 0},
    {"outside-truncate", out_truncate, 0},
    {"outside-open-trunc", out_open_trunc, 0},
    {"outside-rdonly-trunc", out_rdonly_trunc, 0},
    {"outside-openat2-create", out_openat2_create, 0},
    {"outside-openat2-write", out_openat2_write, 0},
    {"outside-dirfd-create", out_dirfd_create, 0},
    {"outside-proc-self-root-write", out_proc_root_write, 0},
    {"outside-proc-thread-self-root-write", out_proc_thread_root_write, 0},
    {"outside-proc-1-root-write", out_proc_init_root_write, 0},
    {"outside-dev-fd-create", out_dev_fd_create, 0},
    {"outside-reopen-rdwr", out_reopen_rdwr, 0},
    {"outside-reopen-o-path", out_reopen_o_path, 0},
    {"outside-reopen-trunc", out_reopen_trunc, 0},
    {"outside-unlink", out_unlink, 0},
    {"outside-unlinkat", out_unlinkat, 0},
    {"outside-rmdir", out_rmdir, 0},
    {"outside-mkdir", out_mkdir, 0},
    {"outside-mknod-file", out_mknod_file, 0},
    {"outside-mkfifo", out_mkfifo, 0},
    {"outside-fifo-write", out_fifo_write, 0},
    {"mknod-device", out_mknod_device, 0},
    {"outside-symlink", out_symlink, 0},
    {"outside-link", out_link, 0},
    {"outside-link-in", out_link_in, 0},
    {"outside-rename-from", out_rename_from, 0},
    {"outside-rename-onto", out_rename_onto, 0},
    {"outside-rename-within", out_rename_within, 0},
    {"outside-rename-exchange", out_rename_exchange, 0},
    {"outside-rename-noreplace", out_rename_noreplace, 0},
    {"outside-chmod", out_chmod, 0},
    {"outside-fchmod", out_fchmod, 0},
    {"outside-fchmodat", out_fchmodat, 0},
    {"outside-fchmodat2", out_fchmodat2, 0},
    {"outside-chown", out_chown, 0},
    {"outside-fchown", out_fchown, 0},
    {"outside-utimensat", out_utimensat, 0},
    {"outside-utimes", out_utimes, 0},
    {"outside-futimens", out_futimens, 0},
    {"outside-setxattr", out_setxattr, 0},
    {"outside-fsetxattr", out_fsetxattr, 0},
    {"outside-setflags", out_setflags, 0},
    {"outside-tmpfile-link", out_tmpfile_link, 0},
    {"workspace-tmpfile-link-outside", ws_tmpfile_link_out, 0},
    {"outside-bind-socket", out_bind_socket, 0},
    {"secret-write", secret_write, 0},
    {"secret-truncate", secret_truncate, 0},
    {"secret-unlink", secret_unlink, 0},
    {"secret-rename", secret_rename, 0},
    {"secret-directory-rename", secret_directory_rename, 0},
    {"secret-chmod", secret_chmod, 0},
    {NULL, NULL, 0},
};
