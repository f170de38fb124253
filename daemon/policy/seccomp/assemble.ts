// Rules to classic BPF (seccomp(2), linux/filter.h). The program searches a balanced tree over number ranges, so that
// a call costs about nine comparisons. A call that is plainly allowed is reached without loading an argument: the
// kernel then finds out at load time that it is always allowed, and skips the filter (kernel/seccomp.c,
// seccomp_cache_prepare_bitmap).
import type { Leaf, Rule, Test } from './rule.ts';

/** One sock_filter. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** `[from, next range's from)` of system call numbers. */
export interface Range {
  readonly from: number;
  readonly rule: Rule;
}

// linux/bpf_common.h
const LD_W_ABS = 0x20;
const ALU_AND_K = 0x54;
const JA = 0x05;
const JEQ_K = 0x15;
const JGE_K = 0x35;
const JSET_K = 0x45;
const RET_K = 0x06;
// linux/seccomp.h
const RET_USER_NOTIF = 0x7fc0_0000;
const RET_ERRNO = 0x0005_0000;
const RET_ALLOW = 0x7fff_0000;
/** BPF_MAXINSNS. */
const maximum = 4096;

const statement = (code: number, k: number): Instruction => ({ code, jt: 0, jf: 0, k });
const load = (offset: number): Instruction => statement(LD_W_ABS, offset);
/** Offset in seccomp_data of the low half of an argument (little endian). */
const argument = (index: number): number => 16 + 8 * index;

function actionOf(leaf: Leaf): number {
  switch (leaf.do) {
    case 'allow':
      return RET_ALLOW;
    case 'errno':
      return RET_ERRNO | leaf.errno;
    case 'notify':
      return RET_USER_NOTIF;
  }
}

/** A conditional jump over `skip` instructions when the test fails; a JA where eight bits do not reach. */
function jump(code: number, k: number, skip: number): Instruction[] {
  if (skip <= 255) return [{ code, jt: 0, jf: skip, k }];
  return [{ code, jt: 1, jf: 0, k }, statement(JA, skip)];
}

/** Falls through to the next instruction when the test holds, and skips `skip` more when it does not. */
function testCode(test: Test, skip: number): Instruction[] {
  const low = argument(test.arg);
  switch (test.is) {
    case 'any-bit':
      return [load(low), ...jump(JSET_K, test.mask, skip)];
    case 'null': {
      const high = [load(low + 4), ...jump(JEQ_K, 0, skip)];
      return [load(low), ...jump(JEQ_K, 0, skip + high.length), ...high];
    }
    case 'one-of':
      return [load(low), ...masked(test.mask), ...anyOf(test.values, skip)];
  }
}

const masked = (mask: number): Instruction[] => (mask === 0xffff_ffff ? [] : [statement(ALU_AND_K, mask)]);

function anyOf(values: readonly number[], skip: number): Instruction[] {
  const last = jump(JEQ_K, values.at(-1) ?? 0, skip);
  const earlier = values.slice(0, -1).map((k, index, all) => {
    const toThen = all.length - index - 1 + last.length;
    return { code: JEQ_K, jt: toThen, jf: 0, k };
  });
  return [...earlier, ...last];
}

function ruleCode(rule: Rule): Instruction[] {
  if (rule.do !== 'when') return [statement(RET_K, actionOf(rule))];
  const then = ruleCode(rule.then);
  return [...testCode(rule.test, then.length), ...then, ...ruleCode(rule.else)];
}

function searchCode(ranges: readonly Range[]): Instruction[] {
  const first = ranges[0];
  if (first === undefined) throw new RangeError('seccomp: an empty search tree');
  if (ranges.length === 1) return ruleCode(first.rule);
  const half = ranges.length >> 1;
  const upper = searchCode(ranges.slice(half));
  const pivot = ranges[half]!.from;
  // JGE falls through into the upper half, and skips it when the number is smaller.
  return [...jump(JGE_K, pivot, upper.length), ...upper, ...searchCode(ranges.slice(0, half))];
}

/** The whole program. `ranges` starts at 0, is sorted, and covers every 32-bit number. */
export function assemble(auditArch: number, ranges: readonly Range[]): Instruction[] {
  const body = searchCode(ranges);
  const program = [
    load(4), // seccomp_data.arch
    { code: JEQ_K, jt: 1, jf: 0, k: auditArch },
    statement(RET_K, RET_USER_NOTIF), // another architecture's numbers (int 0x80): refused and recorded
    load(0), // seccomp_data.nr
    ...body,
  ];
  if (program.length > maximum)
    throw new RangeError(`seccomp: ${program.length} instructions, at most ${maximum}`);
  for (const { jt, jf } of program) {
    if (jt > 255 || jf > 255)
      throw new RangeError('seccomp: a conditional jump does not fit into eight bits');
  }
  return program;
}

/** struct sock_filter[], little endian: code u16, jt u8, jf u8, k u32. */
export function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jt, jf, k }, index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jt);
    view.setUint8(index * 8 + 3, jf);
    view.setUint32(index * 8 + 4, k, true);
  });
  return bytes;
}
