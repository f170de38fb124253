import fc from 'fast-check';
import t from 'tap';
import { callsOf, notifyLookup, seccompProgram } from '../../daemon/policy/seccomp/mod.ts';
import type { Arch } from '../../daemon/policy/seccomp/mod.ts';
import { leafFor, leavesOf } from '../../daemon/policy/seccomp/judge.ts';
import type { Leaf } from '../../daemon/policy/seccomp/rule.ts';
import { ALLOW, NOTIFY, decode, errnoAction, run } from './seccomp-machine.ts';

const archs: readonly Arch[] = ['x86_64', 'aarch64'];
const auditArch = { x86_64: 0xc000003e, aarch64: 0xc00000b7 } as const;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const programs = { x86_64: seccompProgram('x86_64'), aarch64: seccompProgram('aarch64') };
const code = {
  x86_64: decode(programs.x86_64.instructions),
  aarch64: decode(programs.aarch64.instructions),
};
const calls = { x86_64: callsOf('x86_64'), aarch64: callsOf('aarch64') };
const byNumber = {
  x86_64: new Map(calls.x86_64.map((call) => [call.nr, call])),
  aarch64: new Map(calls.aarch64.map((call) => [call.nr, call])),
};

function actionOf(leaf: Leaf): number {
  if (leaf.do === 'allow') return ALLOW;
  return leaf.do === 'errno' ? errnoAction(leaf.errno) : NOTIFY;
}

function numberOf(arch: Arch, name: string): number | undefined {
  return calls[arch].find((call) => call.name === name)?.nr;
}

const action = (arch: Arch, nr: number, args: readonly bigint[] = []): number =>
  run(code[arch], { arch: auditArch[arch], nr, args }).action;

/** Argument values around everything the rules look at. */
// prettier-ignore
const values: readonly bigint[] = [
  0n, 1n, 2n, 3n, 4n, 5n, 6n, 8n, 0x10n, 0x11n, 17n, 58n, 0o100n, 0o1000n, 0o2000n, 0o4000n, 0o6755n, 0o10000000n,
  0o20000000n, 0x80n, 0x1002n, 0x1003n, 0x2003n, 0x5412n, 0x541cn, 0x541dn, 0x5423n, 0x5413n, 0x20000n, 0x2000000n,
  0x10000000n, 0x59616d61n, 0x53564d41n, 262n, 0x40000n, 0xffffffffn, 0x100000000n, 0x100000001n, 0x1_0000_5412n,
  0x7fff_dead_0000n, 0xffff_ffff_ffff_ffffn,
];

for (const arch of archs) {
  t.test(`${arch}: the program is well formed and short`, async (t) => {
    const program = code[arch];
    t.equal(program.length, programs[arch].length);
    t.ok(program.length <= 4096);
    for (const [at, { code: op, jt, jf, k }] of program.entries()) {
      if (op === 0x06) continue;
      const conditional = op === 0x15 || op === 0x35 || op === 0x45;
      const furthest = conditional ? Math.max(jt, jf) : op === 0x05 ? k : 0;
      if (at + 1 + furthest >= program.length) t.fail(`instruction ${at} leaves the program`);
    }
  });

  t.test(`${arch}: the program does what the table says, for every call and argument`, async (t) => {
    for (const { nr, name, rule } of calls[arch]) {
      const used = new Set<number>();
      const collect = (r: typeof rule): void => {
        if (r.do !== 'when') return;
        used.add(r.test.arg);
        collect(r.then);
        collect(r.else);
      };
      collect(rule);
      let combinations: bigint[][] = [[0n, 0n, 0n, 0n, 0n, 0n]];
      for (const index of used) {
        combinations = combinations.flatMap((args) => values.map((value) => args.with(index, value)));
      }
      const wrong = combinations.filter((args) => action(arch, nr, args) !== actionOf(leafFor(rule, args)));
      t.same(wrong, [], name);
    }
  });

  t.test(
    `${arch}: a number outside the table is never allowed, and neither is any other architecture`,
    async (t) => {
      const below = Array.from({ length: 3000 }, (_, nr) => nr);
      const allowed = below.filter((nr) => !byNumber[arch].has(nr) && action(arch, nr) !== NOTIFY);
      t.same(allowed, [], 'unlisted calls');
      const anyArgs = fc.array(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), {
        minLength: 6,
        maxLength: 6,
      });
      const anyNumber = fc.oneof(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 0xffffffff }));
      fc.assert(
        fc.property(anyNumber, anyArgs, (nr, args) => {
          const call = byNumber[arch].get(nr);
          return (
            action(arch, nr, args) === (call === undefined ? NOTIFY : actionOf(leafFor(call.rule, args)))
          );
        }),
        { numRuns: 5000 },
      );
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 0xffffffff }), anyNumber, (other, nr) => {
          return other === auditArch[arch] || run(code[arch], { arch: other, nr }).action === NOTIFY;
        }),
      );
      const i386 = 0x40000003;
      t.same(
        below.filter((nr) => run(code[arch], { arch: i386, nr }).action !== NOTIFY),
        [],
        'int 0x80',
      );
    },
  );

  t.test(`${arch}: x32 numbers and negative numbers are never allowed`, async (t) => {
    const x32 = Array.from({ length: 1000 }, (_, nr) => 0x40000000 + nr);
    t.same(
      x32.filter((nr) => action(arch, nr) !== NOTIFY),
      [],
    );
    for (const nr of [0x40000000, 0x7fffffff, 0x80000000, 0xffffffff, -1]) t.equal(action(arch, nr), NOTIFY);
  });

  t.test(
    `${arch}: a plainly allowed call is found without reading an argument, so the kernel caches it`,
    async (t) => {
      for (const { nr, name, rule } of calls[arch]) {
        if (rule.do !== 'allow') continue;
        const outcome = run(code[arch], { arch: auditArch[arch], nr });
        t.match(outcome, { action: ALLOW, readArguments: false }, name);
        t.ok(outcome.steps <= 16, `${name} takes ${outcome.steps} steps`);
      }
    },
  );

  t.test(`${arch}: each line has a reason, and each notification an entry`, async (t) => {
    for (const call of calls[arch]) {
      t.ok(call.why.length > 5, call.name);
      const leaves = leavesOf(call.rule).filter((leaf) => leaf.do === 'notify');
      const entry = programs[arch].notify.get(call.nr);
      t.equal(entry !== undefined, leaves.length > 0, call.name);
      if (entry !== undefined) t.match(entry, { nr: call.nr, name: call.name, reason: /.{6}/ });
      t.same(programs[arch].direct.get(call.nr), leaves.length === 1 ? entry : undefined, call.name);
    }
  });
}

/** [call, arguments, what it gets]: the named cases of the threat model. */
type Expectation =
  | 'allow'
  | 'deny'
  | `errno ${number}`
  | 'open'
  | 'mutate'
  | 'exec'
  | 'started'
  | 'connect'
  | 'bind'
  | 'send'
  | 'process';
const at = -100n;
const cases: readonly (readonly [name: string, args: readonly bigint[], expected: Expectation])[] = [
  ['open', [1n, 0n], 'allow'],
  ['open', [1n, 0o2200000n], 'allow'],
  ['open', [1n, 1n], 'open'],
  ['openat', [at, 1n, 0n], 'allow'],
  ['openat', [at, 1n, 0o2000000n], 'allow'],
  ['openat', [at, 1n, 1n], 'open'],
  ['openat', [at, 1n, 2n], 'open'],
  ['openat', [at, 1n, 3n], 'open'],
  ['openat', [at, 1n, 0o100n], 'open'],
  ['openat', [at, 1n, 0o1000n], 'open'],
  ['openat', [at, 1n, 0o20200002n], 'open'],
  ['openat', [at, 1n, 0x1_0000_0000n], 'allow'],
  ['openat', [at, 1n, 0o10000000n], 'allow'],
  ['openat', [at, 1n, 0o30200102n], 'allow'], // O_PATH with everything: the kernel opens it as O_PATH alone
  ['creat', [1n, 0o644n], 'open'],
  ['openat2', [at, 1n, 1n, 24n], 'open'],
  ['clone3', [1n, 88n], 'process'],
  ['kill', [1234n, 0n], 'process'],
  ['kill', [0n, 15n], 'allow'],
  ['kill', [0xffff_ffffn, 15n], 'allow'],
  ['kill', [-5n & 0xffff_ffff_ffff_ffffn, 15n], 'allow'],
  ['pidfd_open', [1234n, 0n], 'process'],
  ['setpriority', [0n, 1234n, 19n], 'process'],
  ['setpriority', [0n, 0n, 19n], 'allow'],
  ['setpriority', [1n, 0n, 19n], 'allow'],
  ['ioctl', [3n, 0x40086602n, 1n], 'deny'],
  ['ioctl', [3n, 0x401c5820n, 1n], 'deny'],
  ['ioctl', [3n, 0x80086601n, 1n], 'allow'],
  ['fchown', [3n, 0n, 0n], 'mutate'],
  ['fsetxattr', [3n, 1n, 1n, 1n, 0n], 'mutate'],
  ['fremovexattr', [3n, 1n], 'mutate'],
  ['clone', [0x11n], 'allow'],
  ['clone', [0x3d0f00n], 'allow'],
  ['clone', [0x20011n], 'deny'],
  ['clone', [0x2000011n], 'deny'],
  ['clone', [0x4000011n], 'deny'],
  ['clone', [0x8000011n], 'deny'],
  ['clone', [0x10000011n], 'deny'],
  ['clone', [0x20000011n], 'deny'],
  ['clone', [0x40000011n], 'deny'],
  ['unshare', [0x200n], 'allow'],
  ['unshare', [0x400n], 'allow'],
  ['unshare', [0x10000000n], 'deny'],
  ['unshare', [0x80n], 'deny'],
  ['setns', [3n, 0n], 'deny'],
  ['execve', [1n, 2n, 3n], 'exec'],
  ['execveat', [at, 1n, 2n, 3n, 0x1000n], 'exec'],
  ['arch_prctl', [0x1002n, 1n], 'started'],
  ['arch_prctl', [0x3001n, 1n], 'allow'],
  ['arch_prctl', [0x2003n, 1n], 'errno 22'],
  ['socket', [1n, 1n, 0n], 'allow'],
  ['socket', [1n, 5n | 0o2004000n, 0n], 'allow'],
  ['socket', [2n, 1n | 0o2004000n, 0n], 'allow'],
  ['socket', [2n, 1n, 6n], 'allow'],
  ['socket', [10n, 1n, 6n], 'allow'],
  ['socket', [2n, 2n, 17n], 'allow'],
  ['socket', [2n, 2n, 0n], 'allow'],
  ['socket', [2n, 2n, 1n], 'allow'],
  ['socket', [10n, 2n, 58n], 'allow'],
  ['socket', [2n, 1n, 262n], 'deny'], // MPTCP
  ['socket', [2n, 1n, 132n], 'deny'], // SCTP
  ['socket', [2n, 5n, 132n], 'deny'],
  ['socket', [2n, 3n, 1n], 'deny'], // raw ICMP
  ['socket', [2n, 3n, 255n], 'deny'],
  ['socket', [2n, 2n, 136n], 'deny'], // UDP-Lite
  ['socket', [2n, 6n, 33n], 'deny'], // DCCP
  ['socket', [16n, 3n, 0n], 'allow'],
  ['socket', [16n, 3n, 9n], 'deny'], // NETLINK_AUDIT
  ['socket', [16n, 3n, 12n], 'deny'], // NETLINK_NETFILTER
  ['socket', [16n, 3n, 16n], 'deny'], // NETLINK_GENERIC
  ['socket', [17n, 3n, 0n], 'deny'], // packet
  ['socket', [38n, 5n, 0n], 'deny'], // AF_ALG
  ['socket', [40n, 1n, 0n], 'deny'], // vsock
  ['socket', [31n, 1n, 3n], 'deny'], // bluetooth
  ['socket', [44n, 3n, 0n], 'deny'], // XDP
  ['socketpair', [1n, 1n, 0n], 'allow'],
  ['socketpair', [2n, 1n, 0n], 'deny'],
  ['connect', [3n, 1n, 16n], 'connect'],
  ['bind', [3n, 1n, 16n], 'bind'],
  ['sendto', [3n, 1n, 5n, 0n, 0n, 0n], 'allow'],
  ['sendto', [3n, 1n, 5n, 0n, 0x7fff00000000n, 16n], 'send'],
  ['sendto', [3n, 1n, 5n, 0n, 0x1_0000_0000n, 16n], 'send'],
  ['sendmsg', [3n, 1n, 0n], 'send'],
  ['sendmmsg', [3n, 1n, 1n, 0n], 'send'],
  ['ioctl', [0n, 0x5401n], 'allow'],
  ['ioctl', [0n, 0x5413n], 'allow'],
  ['ioctl', [0n, 0x5412n], 'deny'],
  ['ioctl', [0n, 0xdead_0000_5412n], 'deny'],
  ['ioctl', [0n, 0x541cn], 'deny'],
  ['ioctl', [0n, 0x5423n], 'deny'],
  ['prctl', [15n], 'allow'],
  ['prctl', [38n, 1n], 'allow'],
  ['prctl', [35n, 8n], 'deny'],
  ['prctl', [0x59616d61n, 1n], 'errno 22'],
  ['prctl', [0x53564d41n], 'allow'],
  ['seccomp', [1n, 0n], 'allow'],
  ['seccomp', [1n, 1n], 'allow'],
  ['seccomp', [1n, 8n], 'deny'],
  ['seccomp', [1n, 0x29n], 'deny'],
  ['seccomp', [2n, 0n], 'allow'],
  ['personality', [0n], 'allow'],
  ['personality', [0xffffffffn], 'allow'],
  ['personality', [0x40000n], 'deny'],
  ['personality', [8n], 'deny'],
  ['memfd_create', [1n, 1n], 'allow'],
  ['memfd_create', [1n, 0x11n], 'deny'],
  ['memfd_secret', [0n], 'deny'],
  ['fchmod', [3n, 0o755n], 'mutate'],
  ['fchmod', [3n, 0o4755n], 'mutate'],
  ['chmod', [1n, 0o4755n], 'mutate'],
  ['fchmodat2', [at, 1n, 0o644n, 0n], 'mutate'],
  ['utimensat', [3n, 0n, 0n, 0n], 'mutate'],
  ['utimensat', [at, 1n, 0n, 0n], 'mutate'],
  ['mkdir', [1n], 'mutate'],
  ['rmdir', [1n], 'mutate'],
  ['unlinkat', [at, 1n, 0n], 'mutate'],
  ['renameat2', [at, 1n, at, 2n, 0n], 'mutate'],
  ['linkat', [at, 1n, at, 2n, 0n], 'mutate'],
  ['symlinkat', [1n, at, 2n], 'mutate'],
  ['mknodat', [at, 1n, 0o10644n], 'mutate'],
  ['truncate', [1n, 0n], 'mutate'],
  ['fchownat', [at, 1n, 0n, 0n, 0n], 'mutate'],
  ['setxattr', [1n, 2n, 3n, 4n, 0n], 'mutate'],
  ['lremovexattr', [1n, 2n], 'mutate'],
  ['landlock_restrict_self', [3n, 0n], 'allow'],
  ['pidfd_open', [1n, 0n], 'process'],
  ['kill', [1n, 9n], 'process'],
  ['setgroups', [0n, 0n], 'allow'],
  ['mseal', [0n], 'allow'],
  ['futex_wait', [0n], 'allow'],
];

const always =
  `ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd perf_event_open userfaultfd
  bpf keyctl add_key request_key mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig
  fsmount fspick mount_setattr open_by_handle_at name_to_handle_at io_uring_setup io_uring_enter io_uring_register
  kexec_load kexec_file_load init_module finit_module delete_module swapon swapoff reboot acct settimeofday
  clock_settime clock_adjtime adjtimex iopl ioperm quotactl quotactl_fd syslog vhangup sethostname setdomainname
  modify_ldt fanotify_init fanotify_mark lookup_dcookie nfsservctl uselib ustat sysfs _sysctl move_pages
  migrate_pages statmount listmount listns lsm_set_self_attr setxattrat file_setattr`.split(/\s+/);

for (const arch of archs) {
  const lookup = notifyLookup(arch);
  const outcome = (nr: number, args: readonly bigint[]): string => {
    const got = action(arch, nr, args);
    if (got === ALLOW) return 'allow';
    return got === NOTIFY ? lookup(auditArch[arch], nr, args).kind : `errno ${got & 0xffff}`;
  };
  t.test(`${arch}: the named cases hold`, async (t) => {
    for (const [name, args, expected] of cases) {
      const nr = numberOf(arch, name);
      if (nr !== undefined) t.equal(outcome(nr, args), expected, `${name}(${args.join(', ')})`);
    }
    for (const name of always) {
      const nr = numberOf(arch, name);
      if (nr !== undefined) t.equal(outcome(nr, [0n, 0n, 0n, 0n, 0n, 0n]), 'deny', name);
    }
  });
}

t.test(
  'the calls that only x86-64 has and those that tell of a new image are where they belong',
  async (t) => {
    for (const name of ['open', 'creat', 'fork', 'vfork', 'arch_prctl', 'chmod', 'rename']) {
      t.equal(numberOf('aarch64', name), undefined, name);
      t.not(numberOf('x86_64', name), undefined, name);
    }
    t.equal(action('aarch64', 96), NOTIFY);
    t.equal(notifyLookup('aarch64')(auditArch.aarch64, 96, []).kind, 'started');
    t.equal(action('x86_64', 218), ALLOW);
  },
);

t.test('a lookup names the call, its error and a reason, whatever it is asked about', async (t) => {
  const lookup = notifyLookup('x86_64');
  const arch = auditArch.x86_64;
  t.match(lookup(arch, 41, [2n, 3n, 1n]), { name: 'socket', kind: 'deny', errno: EPERM, reason: /egress/ });
  t.match(lookup(arch, 41, [40n, 1n, 0n]), { kind: 'deny', errno: EAFNOSUPPORT });
  t.match(lookup(arch, 101, []), { name: 'ptrace', kind: 'deny', errno: EPERM });
  t.match(lookup(arch, 9999, []), {
    name: 'call 9999',
    kind: 'deny',
    errno: ENOSYS,
    reason: /not been reviewed/,
  });
  t.match(lookup(arch, 0x40000001, []), { name: /x32/, kind: 'deny', errno: ENOSYS });
  t.match(lookup(arch, -1, []), { kind: 'deny', errno: ENOSYS });
  t.match(lookup(0x40000003, 5, []), { name: /another architecture/, kind: 'deny', errno: ENOSYS });
  t.match(
    lookup(arch, 0, []),
    { name: 'read', kind: 'deny', errno: ENOSYS },
    'what the filter would not ask',
  );
  t.equal(lookup(arch | 0, 257, [at, 1n, 1n]).kind, 'open', 'the architecture may come signed');
});
