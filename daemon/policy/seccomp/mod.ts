// The static seccomp layer: which system calls the agent may make, which the mediator decides, which are refused.
// Inert data: a BPF program to load, and the table that says what a notification is about.
import { assemble, encode } from './assemble.ts';
import type { Range } from './assemble.ts';
import { leafFor, leavesOf } from './judge.ts';
import { ENOSYS, deny } from './rule.ts';
import type { Leaf, NotifyKind, Rule } from './rule.ts';
import { table } from './table.ts';

export type { NotifyKind } from './rule.ts';
export type Arch = 'x86_64' | 'aarch64';

export interface NotifyEntry {
  readonly nr: number;
  readonly name: string;
  readonly kind: NotifyKind;
  /** What a refusal answers. */
  readonly errno: number;
  /** One clause for people: why the call is asked about, or refused. */
  readonly reason: string;
}

export interface SeccompProgram {
  readonly arch: Arch;
  /** seccomp_data.arch of this architecture. */
  readonly auditArch: number;
  /** struct sock_filter[], little endian, 8 bytes each. */
  readonly instructions: Uint8Array;
  /** Instructions, not bytes. */
  readonly length: number;
  /** What a number's notifications are about. Where arguments decide, `notifyEntry` is exact. */
  readonly notify: ReadonlyMap<number, NotifyEntry>;
  /** The part of `notify` where the number alone tells: the call asks about one thing only. */
  readonly direct: ReadonlyMap<number, NotifyEntry>;
  /** Every number in the table. */
  readonly names: ReadonlyMap<number, string>;
}

/** One call of one architecture. */
export interface Call {
  readonly nr: number;
  readonly name: string;
  readonly rule: Rule;
  readonly why: string;
}

// linux/audit.h: EM_X86_64 62, EM_AARCH64 183, with __AUDIT_ARCH_64BIT and __AUDIT_ARCH_LE.
const auditArchs: Readonly<Record<Arch, number>> = { x86_64: 0xc000_003e, aarch64: 0xc000_00b7 };
/** __X32_SYSCALL_BIT. Numbers with it lie above every line of the table, and are refused with the unknown ones. */
const x32Bit = 0x4000_0000;

/** The lines of the table that this architecture has, by ascending number. */
export function callsOf(arch: Arch): readonly Call[] {
  const calls: Call[] = [];
  for (const [name, x86, arm, rule, why] of table) {
    const nr = arch === 'x86_64' ? x86 : arm;
    if (nr !== undefined) calls.push({ nr, name, rule, why });
  }
  return calls.sort((a, b) => a.nr - b.nr);
}

const unknown = deny(ENOSYS);

/** Neighbours with the same action become one range; gaps become refusals. */
function rangesOf(calls: readonly Call[]): Range[] {
  const ranges: Range[] = [];
  const push = (from: number, rule: Rule): void => {
    const last = ranges.at(-1);
    if (last === undefined || !sameAction(last.rule, rule)) ranges.push({ from, rule });
  };
  let next = 0;
  for (const { nr, rule } of calls) {
    if (nr < next || nr >= x32Bit)
      throw new RangeError(`seccomp: number ${nr} is in the table twice or out of range`);
    if (nr > next) push(next, unknown);
    push(nr, rule);
    next = nr + 1;
  }
  push(next, unknown);
  return ranges;
}

function sameAction(a: Rule, b: Rule): boolean {
  if (a.do === 'when' || b.do === 'when') return false;
  if (a.do === 'errno' && b.do === 'errno') return a.errno === b.errno;
  return a.do === b.do;
}

function entryOf({ nr, name, why }: Call, leaf: Leaf): NotifyEntry | undefined {
  if (leaf.do !== 'notify') return undefined;
  return { nr, name, kind: leaf.kind, errno: leaf.errno, reason: leaf.reason === '' ? why : leaf.reason };
}

const entriesOf = (call: Call): readonly NotifyEntry[] =>
  leavesOf(call.rule)
    .map((leaf) => entryOf(call, leaf))
    .filter((entry) => entry !== undefined);

/** The first entry of each call that has at least one and at most `most`. */
function notifyOf(calls: readonly Call[], most: number): Map<number, NotifyEntry> {
  const entries = new Map<number, NotifyEntry>();
  for (const call of calls) {
    const [first, ...more] = entriesOf(call);
    if (first !== undefined && more.length < most) entries.set(call.nr, first);
  }
  return entries;
}

export function seccompProgram(arch: Arch): SeccompProgram {
  const calls = callsOf(arch);
  const auditArch = auditArchs[arch];
  const program = assemble(auditArch, rangesOf(calls));
  return {
    arch,
    auditArch,
    instructions: encode(program),
    length: program.length,
    notify: notifyOf(calls, Infinity),
    direct: notifyOf(calls, 1),
    names: new Map(calls.map(({ nr, name }) => [nr, name])),
  };
}

/** A call that the table does not have, as its notification is to be answered. */
function unlisted(nr: number, name: string, reason: string): NotifyEntry {
  return { nr, name, kind: 'deny', errno: ENOSYS, reason };
}

/**
 * What one notification is about: `auditArch`, `nr` and `args` as seccomp_data has them (`nr` signed or unsigned).
 * Never undefined: what the filter would not have asked about is refused too.
 */
export type NotifyLookup = (auditArch: number, nr: number, args: readonly bigint[]) => NotifyEntry;

export function notifyLookup(arch: Arch): NotifyLookup {
  const calls = new Map(callsOf(arch).map((call) => [call.nr, call]));
  return (auditArch, nr, args) => {
    if (auditArch >>> 0 !== auditArchs[arch]) {
      return unlisted(nr, `call ${nr} of another architecture`, `only ${arch} system calls are reviewed`);
    }
    const call = calls.get(nr);
    if (call === undefined) return unlisted(nr, unlistedName(nr), 'this system call has not been reviewed');
    const entry = entryOf(call, leafFor(call.rule, args));
    return entry ?? unlisted(nr, call.name, 'the filter asked about a call that it should have answered');
  };
}

function unlistedName(nr: number): string {
  const number = nr >>> 0;
  return number >= x32Bit ? `x32 or out-of-range call ${number}` : `call ${number}`;
}
