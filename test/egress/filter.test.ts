import t from 'tap';
import { filterProgram, noRingProgram } from '../../daemon/egress/filter.ts';

const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const KILL = 0x80000000;

interface Call {
  readonly nr: number;
  readonly arch?: number;
  readonly args?: readonly number[];
}

/** Runs the program as the kernel would; throws when it leaves its own bounds. */
function run(program: Uint8Array, { nr, arch = 0xc000003e, args = [] }: Call): number {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  const data = (offset: number): number =>
    (offset === 0 ? nr : offset === 4 ? arch : (args[(offset - 16) / 8] ?? 0)) >>> 0;
  let accumulator = 0;
  for (let pc = 0; ; pc++) {
    const code = view.getUint16(pc * 8, true);
    const [yes, no, k] = [
      view.getUint8(pc * 8 + 2),
      view.getUint8(pc * 8 + 3),
      view.getUint32(pc * 8 + 4, true),
    ];
    if (code === 0x06) return k;
    if (code === 0x20) accumulator = data(k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x15) pc += accumulator === k ? yes : no;
    else if (code === 0x35) pc += accumulator >= k ? yes : no;
    else throw new Error(`unknown instruction ${code}`);
  }
}

t.test('the filter of the egress process lets sockets work and nothing else', async (t) => {
  const program = filterProgram('x64', 4711);
  const verdict = (nr: number, ...args: number[]): number => run(program, { nr, args });
  t.equal(verdict(0), ALLOW, 'read');
  t.equal(verdict(41, 2, 1 | 0o2004000), ALLOW, 'a TCP socket');
  t.equal(verdict(41, 10, 2 | 0o2004000), ALLOW, 'a UDP socket over IPv6');
  t.equal(verdict(56, 0x3d0f00), ALLOW, 'a thread');
  t.equal(verdict(234, 4711, 4711, 6), ALLOW, 'a signal to itself');
  const refused: readonly (readonly [string, readonly number[]])[] = [
    ['open', [2]],
    ['openat', [257]],
    ['openat2', [437]],
    ['stat', [4]],
    ['execve', [59]],
    ['execveat', [322]],
    ['fork', [57]],
    ['vfork', [58]],
    ['clone of a process', [56, 0x11]],
    ['ptrace', [101]],
    ['process_vm_readv', [310]],
    ['process_vm_writev', [311]],
    ['kill', [62, 1, 9]],
    ['a signal to somebody else', [234, 1, 1, 9]],
    ['mount', [165]],
    ['unshare', [272]],
    ['setns', [308]],
    ['bpf', [321]],
    ['perf_event_open', [298]],
    ['io_uring_setup', [425]],
    ['io_uring_enter', [426]],
    ['pidfd_getfd', [438]],
    ['memfd_create', [319]],
    ['keyctl', [250]],
    ['setuid', [105]],
    ['prctl other than names', [157, 4, 1]],
    ['a unix socket', [41, 1, 1]],
    ['a netlink socket', [41, 16, 3]],
    ['a raw socket', [41, 2, 3]],
    ['ioctl other than flags', [16, 5, 0x5412]],
    ['F_DUPFD', [72, 5, 0]],
    ['a call of tomorrow', [9999]],
  ];
  for (const [what, [nr = 0, ...args]] of refused) t.equal(verdict(nr, ...args), ERRNO | 1, what);
  t.equal(verdict(435), ERRNO | 38, 'clone3, so that libc uses clone');
});

t.test('a foreign ABI kills the process', async (t) => {
  t.equal(run(filterProgram('x64', 1), { nr: 0, arch: 0x40000003 }), KILL, 'i386');
  t.equal(run(filterProgram('x64', 1), { nr: 0x40000000 }), KILL, 'x32');
  t.equal(run(filterProgram('arm64', 1), { nr: 63, arch: 0xc000003e }), KILL, 'x86-64 on arm64');
  t.equal(run(filterProgram('arm64', 1), { nr: 63, arch: 0xc00000b7 }), ALLOW, 'read on arm64');
  t.equal(run(filterProgram('arm64', 1), { nr: 56, arch: 0xc00000b7 }), ERRNO | 1, 'openat on arm64');
});

t.test('the first filter refuses rings and nothing else', async (t) => {
  t.equal(run(noRingProgram(), { nr: 425 }), ERRNO | 38);
  t.equal(run(noRingProgram(), { nr: 59 }), ALLOW);
});
