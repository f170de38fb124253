// The rules that look at arguments. Each states which argument, which values, and why these.
import {
  EAFNOSUPPORT,
  EINVAL,
  EOPNOTSUPP,
  EPERM,
  allow,
  anyBit,
  deny,
  errno,
  isNull,
  notify,
  oneOf,
  when,
} from './rule.ts';
import type { Rule } from './rule.ts';

// open(2) flags that can change something: O_ACCMODE (mode 3 asks for ioctls only, and needs write permission),
// O_CREAT 0100, O_TRUNC 01000, __O_TMPFILE 020000000. These are the same on x86-64 and arm64; O_DIRECTORY, O_NOFOLLOW,
// O_DIRECT and O_LARGEFILE are not, and are not looked at.
const openMutates = 0o3 | 0o100 | 0o1000 | 0o20000000;
/**
 * O_PATH beats all of them: the kernel drops every other flag that matters (fs/open.c, build_open_how). So such a
 * call must never reach the mediator, which would hand the agent a place in the mediator's own, writable, tree.
 */
const O_PATH = 0o10000000;
const opening = (flags: number): Rule =>
  when(anyBit(flags, O_PATH), allow, when(anyBit(flags, openMutates), notify('open'), allow));
export const openRule: Rule = opening(1);
export const openatRule: Rule = opening(2);

/** W_OK is 2. The sandbox's mounts are read-only, so only the mediator knows whether writing would work. */
const askingToWrite = (mode: number): Rule => when(anyBit(mode, 2), notify('mutate'), allow);
export const accessRule: Rule = askingToWrite(1);
export const faccessatRule: Rule = askingToWrite(2);

/** kill(2) of one process, by its number. 0 and negative numbers name groups, which end at the pid namespace. */
export const killRule: Rule = when(
  anyBit(0, 0x8000_0000),
  allow,
  when(oneOf(0, [0]), allow, notify('process')),
);
/** setpriority(2) of PRIO_PROCESS (0) for another than the caller. */
export const setpriorityRule: Rule = when(
  oneOf(0, [0]),
  when(oneOf(1, [0]), allow, notify('process')),
  allow,
);

// CLONE_NEW*: NS 0x20000, CGROUP, UTS, IPC, USER, PID, NET, and TIME 0x80. In clone(2) bit 0x80 belongs to the exit
// signal and no signal has it, so refusing it there costs nothing.
const newNamespaces = 0x7e02_0080;
const noNamespace = deny(undefined, 'new namespaces would put processes beyond the layers of this sandbox');
export const cloneRule: Rule = when(anyBit(0, newNamespaces), noNamespace, allow);
export const unshareRule: Rule = cloneRule;

/** arch_prctl(2), x86-64. Anything else gets what the kernel says to an unknown code. */
export const archPrctlRule: Rule = when(
  oneOf(0, [0x1002]), // ARCH_SET_FS: every libc's and Go's first act in a new image (and in no thread of it)
  notify('started'),
  when(
    // SET_GS GET_FS GET_GS; GET_CPUID SET_CPUID; XCOMP 0x1021..0x1025; CET_STATUS; untagged addresses; shadow stack
    oneOf(
      0,
      [
        0x1001, 0x1003, 0x1004, 0x1011, 0x1012, 0x1021, 0x1022, 0x1023, 0x1024, 0x1025, 0x3001, 0x4001,
        0x4002, 0x4003, 0x5001, 0x5002, 0x5003, 0x5004, 0x5005,
      ],
    ),
    allow,
    errno(EINVAL), // ARCH_MAP_VDSO_*: moves the vdso; only checkpoint/restore wants it
  ),
);

/**
 * personality(2): 0xffffffff asks, 0 is the default. Others turn off address randomisation or change system call
 * behaviour.
 */
export const personalityRule: Rule = when(
  oneOf(0, [0, 0xffff_ffff]),
  allow,
  deny(undefined, 'only the default personality: others weaken address randomisation'),
);

/** SECCOMP_SET_MODE_FILTER (1) with SECCOMP_FILTER_FLAG_NEW_LISTENER (8) could answer in our place. */
export const seccompRule: Rule = when(
  oneOf(0, [1]),
  when(
    anyBit(1, 8),
    deny(undefined, 'a listener of its own could answer for its children in our place'),
    allow,
  ),
  // SET_MODE_STRICT, GET_ACTION_AVAIL, GET_NOTIF_SIZES
  when(oneOf(0, [0, 2, 3]), allow, errno(EINVAL)),
);

/** MFD_EXEC 0x10. Without it vm.memfd_noexec of the pid namespace makes the file non-executable. */
export const memfdRule: Rule = when(
  anyBit(1, 0x10),
  deny(undefined, 'an executable memory file has no path that could be judged'),
  allow,
);

/**
 * ioctls that change an inode through a descriptor that may be open for reading only: FS_IOC_SETFLAGS, its 32-bit form,
 * FS_IOC_SETVERSION, FS_IOC_FSSETXATTR, FAT_IOCTL_SET_ATTRIBUTES, FS_IOC_ENABLE_VERITY, FS_IOC_SET_ENCRYPTION_POLICY.
 */
const inodeFlags = [
  0x4008_6602, 0x4004_6602, 0x4008_7602, 0x401c_5820, 0x4004_7211, 0x4080_6685, 0x800c_6613,
];

/** ioctl(2): the kernel's command is 32 bits. Device ioctls need a device node, and the sandbox's /dev has few. */
export const ioctlRule: Rule = when(
  oneOf(1, [0x5412, 0x541c]),
  deny(undefined, 'TIOCSTI and TIOCLINUX type into the terminal of the person outside'),
  when(
    oneOf(1, [0x541d, 0x5423]),
    deny(undefined, 'TIOCCONS and TIOCSETD redirect the console or load line disciplines'),
    when(
      oneOf(1, inodeFlags),
      deny(EOPNOTSUPP, 'inode flags and other attributes of a file system cannot be changed'),
      allow,
    ),
  ),
);

/** prctl(2): options read and found to touch the caller only. */
// prettier-ignore
const prctlAllowed: readonly number[] = [
  1, 2, // SET_PDEATHSIG GET_PDEATHSIG
  3, 4, // GET_DUMPABLE SET_DUMPABLE: the mediator is root and reads a non-dumpable process all the same
  7, 8, // GET_KEEPCAPS SET_KEEPCAPS
  15, 16, // SET_NAME GET_NAME
  21, 22, // GET_SECCOMP SET_SECCOMP: cannot make a listener
  23, 24, // CAPBSET_READ CAPBSET_DROP
  25, 26, // GET_TSC SET_TSC
  27, // GET_SECUREBITS
  29, 30, // SET_TIMERSLACK GET_TIMERSLACK
  34, // MCE_KILL_GET
  36, 37, // SET_CHILD_SUBREAPER GET_CHILD_SUBREAPER
  38, 39, // SET_NO_NEW_PRIVS GET_NO_NEW_PRIVS
  40, // GET_TID_ADDRESS
  41, 42, // SET_THP_DISABLE GET_THP_DISABLE
  47, // CAP_AMBIENT
  50, 51, // SVE_SET_VL SVE_GET_VL
  52, 53, // GET_SPECULATION_CTRL SET_SPECULATION_CTRL
  54, 60, 61, // PAC_RESET_KEYS PAC_SET_ENABLED_KEYS PAC_GET_ENABLED_KEYS
  55, 56, // SET_TAGGED_ADDR_CTRL GET_TAGGED_ADDR_CTRL
  63, 64, // SME_SET_VL SME_GET_VL
  65, 66, // SET_MDWE GET_MDWE
  68, // GET_MEMORY_MERGE
  74, 75, 76, // GET_SHADOW_STACK_STATUS SET_SHADOW_STACK_STATUS LOCK_SHADOW_STACK_STATUS
  78, // FUTEX_HASH
  79, // RSEQ_SLICE_EXTENSION
  0x4155_5856, // GET_AUXV
  0x5356_4d41, // SET_VMA: names of anonymous mappings
];

export const prctlRule: Rule = when(
  oneOf(0, prctlAllowed),
  allow,
  when(
    oneOf(0, [0x5961_6d61]), // SET_PTRACER: what a kernel without Yama says; ptrace itself is refused and recorded
    errno(EINVAL),
    // Among them SET_MM 35 (forges argv), SET_SYSCALL_USER_DISPATCH 59, SCHED_CORE 62, SET_IO_FLUSHER 57.
    deny(undefined, 'this prctl option has not been reviewed or changes what others see of the process'),
  ),
);

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const typeMask = 0xf; // SOCK_TYPE_MASK: without SOCK_NONBLOCK and SOCK_CLOEXEC
const wrongProtocol = deny(undefined, 'only TCP, UDP and ping sockets: others would leave past the egress');

const internet: Rule = when(
  oneOf(1, [1], typeMask), // SOCK_STREAM: 0 or IPPROTO_TCP; so neither SCTP nor MPTCP
  when(oneOf(2, [0, 6]), allow, wrongProtocol),
  when(
    oneOf(1, [2], typeMask), // SOCK_DGRAM: 0, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6
    when(oneOf(2, [0, 17, 1, 58]), allow, wrongProtocol),
    wrongProtocol,
  ),
);

const routeOnly: Rule = when(
  oneOf(2, [0]), // NETLINK_ROUTE: getifaddrs(3); powerless in a network namespace it does not own
  allow,
  deny(undefined, 'only NETLINK_ROUTE: other netlink protocols reach kernel subsystems'),
);

/**
 * SOCK_STREAM 1 and SOCK_SEQPACKET 5. A datagram socket (also made as SOCK_RAW) takes an address with every message: a
 * message could be sent to a socket of the host's behind a decision about another.
 */
const unixStream: Rule = when(
  oneOf(1, [1, 5], typeMask),
  allow,
  deny(EPERM, 'unix datagram sockets can address any named socket, message by message'),
);

/** socket(2). An unknown family gets EAFNOSUPPORT, which programs handle as "not built into this kernel". */
export const socketRule: Rule = when(
  oneOf(0, [AF_UNIX]),
  unixStream,
  when(
    oneOf(0, [AF_INET, AF_INET6]),
    internet,
    when(
      oneOf(0, [AF_NETLINK]),
      routeOnly,
      deny(EAFNOSUPPORT, 'only unix, internet and NETLINK_ROUTE sockets can be mediated'),
    ),
  ),
);

export const socketpairRule: Rule = when(
  oneOf(0, [AF_UNIX]),
  unixStream,
  deny(EAFNOSUPPORT, 'socket pairs of other families are not reviewed'),
);

/** sendto(2) without an address goes where the socket is connected to, which was judged. */
export const sendtoRule: Rule = when(isNull(4), allow, notify('send'));
