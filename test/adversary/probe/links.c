// Names inside the workspace that lead out of it.
#include "probe.h"

#define VICTIM outside("victim")
#define SECRET secret()
#define CASE(name) static struct outcome name(void)

static struct outcome through(const char *target, int flags) {
  if (symlink(target, scratch("link")) < 0) return blocked(errno, "symlink refused");
  int fd = open(scratch("link"), flags, 0644);
  return (flags & O_ACCMODE) == O_RDONLY ? read_canary(fd) : write_mark(fd);
}

CASE(symlink_write) { return through(VICTIM, O_WRONLY); }
CASE(symlink_append) { return through(VICTIM, O_WRONLY | O_APPEND); }
CASE(symlink_create) { return through(outside("created"), O_WRONLY | O_CREAT); }
CASE(symlink_read_secret) { return through(SECRET, O_RDONLY); }
CASE(symlink_relative) {
  char *target = NULL;
  if (asprintf(&target, "../../outside/%s/victim", case_name()) < 0) _exit(2);
  return through(target, O_WRONLY);
}
CASE(symlink_truncate) {
  if (symlink(VICTIM, scratch("link")) < 0) return blocked(errno, "symlink refused");
  return from(truncate(scratch("link"), 0));
}
CASE(symlink_chmod) {
  if (symlink(VICTIM, scratch("link")) < 0) return blocked(errno, "symlink refused");
  return from(chmod(scratch("link"), 0600));
}
CASE(symlink_chained) {
  if (symlink(outside(""), scratch("one")) < 0 || symlink("one", scratch("two")) < 0 || symlink("two/victim", scratch("three")) < 0)
    return blocked(errno, "symlink refused");
  return write_mark(open(scratch("three"), O_WRONLY));
}
CASE(symlink_chained_secret) {
  if (symlink(arg("vault"), scratch("one")) < 0 || symlink("one", scratch("two")) < 0 || symlink(join("two", strrchr(SECRET, '/') + 1), scratch("three")) < 0)
    return blocked(errno, "symlink refused");
  return read_canary(open(scratch("three"), O_RDONLY));
}
CASE(symlink_directory_unlink) {
  if (symlink(outside(""), scratch("directory")) < 0) return blocked(errno, "symlink refused");
  return from(unlink(scratch("directory/victim")));
}
CASE(symlink_directory_mkdir) {
  if (symlink(outside(""), scratch("directory")) < 0) return blocked(errno, "symlink refused");
  return from(mkdir(scratch("directory/created"), 0755));
}
CASE(symlink_directory_rename) {
  if (symlink(outside(""), scratch("directory")) < 0) return blocked(errno, "symlink refused");
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  return from(rename(scratch("mine"), scratch("directory/created")));
}
CASE(pre_symlink_write) { return write_mark(open(scratch("pre-link"), O_WRONLY)); }
CASE(pre_symlink_read_secret) { return read_canary(open(scratch("pre-secret"), O_RDONLY)); }
CASE(pre_symlink_directory_write) { return write_mark(open(scratch("pre-directory/victim"), O_WRONLY)); }
CASE(pre_symlink_directory_create) { return write_mark(open(scratch("pre-directory/created"), O_WRONLY | O_CREAT, 0644)); }
CASE(hardlink_new_write) {
  if (link(VICTIM, scratch("hard")) < 0) return blocked(errno, "link refused");
  return write_mark(open(scratch("hard"), O_WRONLY));
}
CASE(hardlink_new_read_secret) {
  if (link(SECRET, scratch("hard")) < 0) return blocked(errno, "link refused");
  return read_canary(open(scratch("hard"), O_RDONLY));
}
CASE(hardlink_new_by_fd) {
  int fd = open(SECRET, O_PATH);
  if (fd < 0) return blocked(errno, "O_PATH refused");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (linkat(AT_FDCWD, path, AT_FDCWD, scratch("hard"), AT_SYMLINK_FOLLOW) < 0) return blocked(errno, "linkat refused");
  return read_canary(open(scratch("hard"), O_RDONLY));
}
CASE(hardlink_of_symlink) {
  if (symlink(SECRET, scratch("soft")) < 0) return blocked(errno, "symlink refused");
  if (linkat(AT_FDCWD, scratch("soft"), AT_FDCWD, scratch("hard"), AT_SYMLINK_FOLLOW) < 0) return blocked(errno, "linkat refused");
  return read_canary(open(scratch("hard"), O_RDONLY));
}
CASE(pre_hardlink_read) { return read_canary(open(scratch("pre-hard"), O_RDONLY)); }
CASE(pre_hardlink_write) { return write_mark(open(scratch("pre-hard"), O_WRONLY | O_APPEND)); }
CASE(pre_hardlink_truncate) { return from(truncate(scratch("pre-hard"), 0)); }
CASE(pre_hardlink_chmod) { return from(chmod(scratch("pre-hard"), 0666)); }
CASE(pre_hardlink_rename_then_read) {
  if (rename(scratch("pre-hard"), scratch("moved")) < 0) return blocked(errno, "rename refused");
  return read_canary(open(scratch("moved"), O_RDONLY));
}
CASE(pre_hardlink_link_then_read) {
  if (link(scratch("pre-hard"), scratch("again")) < 0) return blocked(errno, "link refused");
  return read_canary(open(scratch("again"), O_RDONLY));
}

const struct probe_case link_cases[] = {
    {"symlink-write", symlink_write, 0},
    {"symlink-append", symlink_append, 0},
    {"symlink-create", symlink_create, 0},
    {"symlink-read-secret", symlink_read_secret, 0},
    {"symlink-relative-write", symlink_relative, 0},
    {"symlink-truncate", symlink_truncate, 0},
    {"symlink-chmod", symlink_chmod, 0},
    {"symlink-chained-write", symlink_chained, 0},
    {"symlink-chained-read-secret", symlink_chained_secret, 0},
    {"symlink-directory-unlink", symlink_directory_unlink, 0},
    {"symlink-directory-mkdir", symlink_directory_mkdir, 0},
    {"symlink-directory-rename", symlink_directory_rename, 0},
    {"preexisting-symlink-write", pre_symlink_write, 0},
    {"preexisting-symlink-read-secret", pre_symlink_read_secret, 0},
    {"preexisting-symlink-directory-write", pre_symlink_directory_write, 0},
    {"preexisting-symlink-directory-create", pre_symlink_directory_create, 0},
    {"hardlink-new-write", hardlink_new_write, 0},
    {"hardlink-new-read-secret", hardlink_new_read_secret, 0},
    {"hardlink-new-by-fd", hardlink_new_by_fd, 0},
    {"hardlink-new-through-symlink", hardlink_of_symlink, 0},
    {"preexisting-hardlink-read", pre_hardlink_read, 0},
    {"preexisting-hardlink-write", pre_hardlink_write, 0},
    {"preexisting-hardlink-truncate", pre_hardlink_truncate, 0},
    {"preexisting-hardlink-chmod", pre_hardlink_chmod, 0},
    {"preexisting-hardlink-rename-then-read", pre_hardlink_rename_then_read, 0},
    {"preexisting-hardlink-link-then-read", pre_hardlink_link_then_read, 0},
    {NULL, NULL, 0},
};
