// The system calls that the egress process makes once it runs: an event loop, sockets, memory and threads of its own.
// Everything else fails with EPERM, on every thread: no file is opened, nothing is executed, no process is looked at.
// Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.

/** What an argument must be: one of `values`, after `mask`. */
export interface ArgumentTest {
  readonly index: number;
  readonly mask: number;
  readonly values: readonly number[];
}

export interface AllowedCall {
  readonly name: string;
  /** Undefined where the architecture has no such call. */
  readonly x64: number | undefined;
  readonly arm64: number | undefined;
  readonly tests?: readonly ArgumentTest[];
}

const call = (
  name: string,
  x64: number | undefined,
  arm64: number | undefined,
  tests?: readonly ArgumentTest[],
): AllowedCall => (tests === undefined ? { name, x64, arm64 } : { name, x64, arm64, tests });

const whole = 0xffffffff;
const CLONE_THREAD = 0x10000;

export const allowedCalls = (pid: number): readonly AllowedCall[] => [
  // The event loop and the sockets it has.
  call('read', 0, 63),
  call('write', 1, 64),
  call('readv', 19, 65),
  call('writev', 20, 66),
  call('epoll_pwait', 281, 22),
  call('epoll_wait', 232, undefined),
  call('epoll_ctl', 233, 21),
  call('epoll_create1', 291, 20),
  call('eventfd2', 290, 19),
  call('poll', 7, undefined),
  call('ppoll', 271, 73),
  call('close', 3, 57),
  call('fstat', 5, 80),
  call('fcntl', 72, 25, [{ index: 1, mask: whole, values: [1, 2, 3, 4] }]), // GETFD SETFD GETFL SETFL
  call('ioctl', 16, 29, [{ index: 1, mask: whole, values: [0x5421, 0x5450, 0x5451, 0x541b] }]), // FIONBIO FIONCLEX FIOCLEX FIONREAD
  // Internet sockets, streams and datagrams: no unix, netlink, raw or packet sockets.
  call('socket', 41, 198, [
    { index: 0, mask: whole, values: [2, 10] },
    { index: 1, mask: 0xf, values: [1, 2] },
  ]),
  call('bind', 49, 200),
  call('connect', 42, 203),
  call('listen', 50, 201),
  call('accept', 43, 202),
  call('accept4', 288, 242),
  call('shutdown', 48, 210),
  call('getsockname', 51, 204),
  call('getpeername', 52, 205),
  call('getsockopt', 55, 209),
  call('setsockopt', 54, 208),
  call('sendto', 44, 206),
  call('sendmsg', 46, 211),
  call('sendmmsg', 307, 269),
  call('recvfrom', 45, 207),
  call('recvmsg', 47, 212),
  call('recvmmsg', 299, 243),
  // Memory and threads.
  call('futex', 202, 98),
  call('mmap', 9, 222),
  call('munmap', 11, 215),
  call('mprotect', 10, 226),
  call('pkey_mprotect', 329, 288),
  call('mremap', 25, 216),
  call('madvise', 28, 233),
  call('brk', 12, 214),
  call('membarrier', 324, 283),
  call('clone', 56, 220, [{ index: 0, mask: CLONE_THREAD, values: [CLONE_THREAD] }]),
  call('set_robust_list', 273, 99),
  call('rseq', 334, 293),
  call('sched_yield', 24, 124),
  call('sched_getaffinity', 204, 123),
  call('sched_getparam', 143, 121), // pthread_getschedparam of V8's locks
  call('sched_getscheduler', 145, 120),
  call('prctl', 157, 167, [{ index: 0, mask: whole, values: [15, 0x53564d41] }]), // SET_NAME, SET_VMA
  call('gettid', 186, 178),
  call('getpid', 39, 172),
  // Signals of its own, time, chance, the end.
  call('rt_sigaction', 13, 134),
  call('rt_sigprocmask', 14, 135),
  call('rt_sigreturn', 15, 139),
  call('sigaltstack', 131, 132),
  call('restart_syscall', 219, 128),
  call('clock_gettime', 228, 113),
  call('clock_getres', 229, 114),
  call('clock_nanosleep', 230, 115),
  call('nanosleep', 35, 101),
  call('gettimeofday', 96, 169),
  call('getrandom', 318, 278),
  call('getrusage', 98, 165),
  call('uname', 63, 160),
  call('sysinfo', 99, 179),
  call('tgkill', 234, 131, [{ index: 0, mask: whole, values: [pid] }]),
  call('fsync', 74, 82), // Node syncs its standard streams when it exits, and hangs on a refusal
  call('exit', 60, 93),
  call('exit_group', 231, 94),
];

/** Answered ENOSYS, so that libc falls back to clone, whose flags a filter can see. */
export const clone3 = 435;
