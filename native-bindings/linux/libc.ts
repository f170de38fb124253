// The C declarations. Every function here is a plain libc symbol or syscall(2) with fixed argument types; koffi
// passes a bigint for `void *`. Nothing here decides anything.
import koffi from 'koffi';
import { SyscallError } from './errno.ts';

const C = koffi.load('libc.so.6');
type Num = (...args: readonly (number | bigint | null)[]) => number;
const fn = (declaration: string): Num => C.func(declaration);
const sys = (...types: string[]): Num => C.func('syscall', 'long', ['long', ...types]);

export const libc = {
  open: fn('int open(void *path, int flags, unsigned int mode)'),
  openat: fn('int openat(int dirfd, void *path, int flags, unsigned int mode)'),
  close: fn('int close(int fd)'),
  read: fn('long read(int fd, void *buf, size_t n)'),
  write: fn('long write(int fd, void *buf, size_t n)'),
  /** The same with the address as a number: a quarter less of the call. */
  writeAt: fn('long write(int fd, intptr_t address, size_t n)'),
  pread: fn('long pread64(int fd, void *buf, size_t n, int64_t offset)'),
  poll: fn('int poll(void *fds, unsigned long n, int timeout)'),
  ioctl: fn('int ioctl(int fd, unsigned long request, void *arg)'),
  fcntl: fn('int fcntl(int fd, int cmd, long arg)'),
  eventfd: fn('int eventfd(unsigned int initial, int flags)'),
  pipe2: fn('int pipe2(void *fds, int flags)'),
  dup2: fn('int dup2(int from, int to)'),
  dup3: fn('int dup3(int from, int to, int flags)'),
  readlinkat: fn('long readlinkat(int dirfd, void *path, void *buf, size_t n)'),
  statx: fn('int statx(int dirfd, void *path, int flags, unsigned int mask, void *st)'),
  faccessat: fn('int faccessat(int dirfd, void *path, int mode, int flags)'),
  mkdirat: fn('int mkdirat(int dirfd, void *path, unsigned int mode)'),
  mknodat: fn('int mknodat(int dirfd, void *path, unsigned int mode, uint64_t dev)'),
  unlinkat: fn('int unlinkat(int dirfd, void *path, int flags)'),
  renameat2: fn('int renameat2(int olddir, void *oldpath, int newdir, void *newpath, unsigned int flags)'),
  linkat: fn('int linkat(int olddir, void *oldpath, int newdir, void *newpath, int flags)'),
  symlinkat: fn('int symlinkat(void *target, int dirfd, void *path)'),
  ftruncate: fn('int ftruncate64(int fd, int64_t length)'),
  fchmodat: fn('int fchmodat(int dirfd, void *path, unsigned int mode, int flags)'),
  fchownat: fn('int fchownat(int dirfd, void *path, unsigned int uid, unsigned int gid, int flags)'),
  utimensat: fn('int utimensat(int dirfd, void *path, void *times, int flags)'),
  fsetxattr: fn('int fsetxattr(int fd, void *name, void *value, size_t size, int flags)'),
  fremovexattr: fn('int fremovexattr(int fd, void *name)'),
  inotifyAddWatch: fn('int inotify_add_watch(int fd, void *path, unsigned int mask)'),
  fallocate: fn('int fallocate64(int fd, int mode, int64_t offset, int64_t length)'),
  fsync: fn('int fdatasync(int fd)'),
  umask: fn('unsigned int umask(unsigned int mask)'),
  setfsuid: fn('int setfsuid(unsigned int uid)'),
  setfsgid: fn('int setfsgid(unsigned int gid)'),
  unshare: fn('int unshare(int flags)'),
  setns: fn('int setns(int fd, int type)'),
  mount: fn('int mount(void *source, void *target, void *type, unsigned long flags, void *data)'),
  umount2: fn('int umount2(void *target, int flags)'),
  chdir: fn('int chdir(void *path)'),
  fchdir: fn('int fchdir(int fd)'),
  prctl: fn('int prctl(int op, unsigned long a, unsigned long b, unsigned long c, unsigned long d)'),
  processVmReadv: fn(
    'long process_vm_readv(int pid, void *local, unsigned long nlocal, void *remote, unsigned long nremote, unsigned long flags)',
  ),
  fanotifyInit: fn('int fanotify_init(unsigned int flags, unsigned int eventFlags)'),
  fanotifyMark: fn('int fanotify_mark(int fd, unsigned int flags, uint64_t mask, int dirfd, void *path)'),
  openByHandleAt: fn('int open_by_handle_at(int mountFd, void *handle, int flags)'),
  fstatfs: fn('int fstatfs64(int fd, void *st)'),
  socket: fn('int socket(int domain, int type, int protocol)'),
  socketpair: fn('int socketpair(int domain, int type, int protocol, void *sv)'),
  bind: fn('int bind(int fd, void *address, unsigned int length)'),
  listen: fn('int listen(int fd, int backlog)'),
  connect: fn('int connect(int fd, void *address, unsigned int length)'),
  getsockname: fn('int getsockname(int fd, void *address, void *length)'),
  getsockopt: fn('int getsockopt(int fd, int level, int name, void *value, void *length)'),
  setsockopt: fn('int setsockopt(int fd, int level, int name, void *value, unsigned int length)'),
  sethostname: fn('int sethostname(void *name, size_t length)'),
  prlimit: fn('int prlimit64(int pid, int resource, void *next, void *previous)'),
  kill: fn('int kill(int pid, int signal)'),
  spawn: fn(
    'int posix_spawn(void *pid, void *path, void *actions, void *attributes, void *argv, void *envp)',
  ),
  spawnAttributesInit: fn('int posix_spawnattr_init(void *attributes)'),
  spawnSetFlags: fn('int posix_spawnattr_setflags(void *attributes, short flags)'),
  spawnSetSigDefault: fn('int posix_spawnattr_setsigdefault(void *attributes, void *set)'),
  spawnSetSigMask: fn('int posix_spawnattr_setsigmask(void *attributes, void *set)'),
  spawnActionsInit: fn('int posix_spawn_file_actions_init(void *actions)'),
  spawnActionsDestroy: fn('int posix_spawn_file_actions_destroy(void *actions)'),
  spawnAddDup2: fn('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)'),
  waitpid: fn('int waitpid(int pid, void *status, int options)'),
  getuid: fn('unsigned int getuid()'),
  exit: fn('void _exit(int status)'),
  mallocTrim: fn('int malloc_trim(size_t pad)'),
};

/** syscall(2) with typed arguments; the name says them: n = long, p = pointer, after the number. */
export const raw = {
  n4: sys('long', 'long', 'long', 'long'),
  nnp: sys('long', 'long', 'void *'),
  pnn: sys('void *', 'long', 'long'),
  nppn: sys('long', 'void *', 'void *', 'long'),
  nnpn: sys('long', 'long', 'void *', 'long'),
  npnpn: sys('long', 'void *', 'long', 'void *', 'long'),
  npnpnn: sys('long', 'void *', 'long', 'void *', 'long', 'long'),
  pp: sys('void *', 'void *'),
  nppnp: sys('long', 'void *', 'void *', 'long', 'void *'),
  npn: sys('long', 'void *', 'long'),
  npnn: sys('long', 'void *', 'long', 'long'),
};

export const errno = (): number => koffi.errno();

/** Returns `result` when it is not negative, else throws with the current errno. */
export function check(result: number, call: string): number {
  if (result < 0) throw new SyscallError(call, koffi.errno());
  return result;
}

const x64 = process.arch === 'x64';
/** Numbers of the system calls that have no libc wrapper on Debian 12 (glibc 2.36), or whose wrapper acts on all threads. */
export const NR = {
  gettid: x64 ? 186 : 178,
  tgkill: x64 ? 234 : 131,
  seccomp: x64 ? 317 : 277,
  setgroups: x64 ? 116 : 159,
  setresuid: x64 ? 117 : 147,
  setresgid: x64 ? 119 : 149,
  capset: x64 ? 126 : 91,
  pivotRoot: x64 ? 155 : 41,
  pidfdSendSignal: 424,
  openTree: 428,
  moveMount: 429,
  pidfdOpen: 434,
  closeRange: 436,
  openat2: 437,
  pidfdGetfd: 438,
  mountSetattr: 442,
  landlockCreateRuleset: 444,
  landlockAddRule: 445,
  landlockRestrictSelf: 446,
} as const;
