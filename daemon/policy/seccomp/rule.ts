// A rule: what the static filter does with one system call. A small tree whose inner nodes test register arguments
// and whose leaves are actions. Inert data: `assemble.ts` turns it into BPF, `judge.ts` walks it for an explanation.

export type NotifyKind =
  | 'open'
  | 'mutate'
  | 'exec'
  /** A new image is running: its argv in memory is the real one. */
  | 'started'
  | 'connect'
  | 'bind'
  | 'send'
  /** Names a process, or makes one: the kernel's namespaces bound it, and what aims beyond them is recorded. */
  | 'process'
  /** Refused always, with a reason, and recorded. */
  | 'deny';

export type Leaf =
  | { readonly do: 'allow' }
  /** Refused by the kernel alone, not recorded: only where programs have a fallback that is mediated. */
  | { readonly do: 'errno'; readonly errno: number }
  /** `errno` and `reason` are what a refusal says; `reason` is empty when the table's line says it. */
  | { readonly do: 'notify'; readonly kind: NotifyKind; readonly errno: number; readonly reason: string };

/**
 * Tests read the low 32 bits of an argument, which is all the kernel reads of `int` and `unsigned int` arguments;
 * `null` reads all 64.
 */
export type Test =
  | { readonly is: 'any-bit'; readonly arg: number; readonly mask: number }
  | { readonly is: 'one-of'; readonly arg: number; readonly mask: number; readonly values: readonly number[] }
  | { readonly is: 'null'; readonly arg: number };

export interface Branch {
  readonly do: 'when';
  readonly test: Test;
  readonly then: Rule;
  readonly else: Rule;
}

export type Rule = Leaf | Branch;

// asm-generic/errno*.h; the same on x86-64 and arm64.
export const EPERM = 1;
export const EINVAL = 22;
export const ENOSYS = 38;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;

export const allow: Leaf = { do: 'allow' };
export const errno = (value: number): Leaf => ({ do: 'errno', errno: value });
export const notify = (kind: NotifyKind): Leaf => ({ do: 'notify', kind, errno: EPERM, reason: '' });
export const deny = (value: number = EPERM, reason = ''): Leaf => ({
  do: 'notify',
  kind: 'deny',
  errno: value,
  reason,
});

export const when = (test: Test, then: Rule, otherwise: Rule): Branch => ({
  do: 'when',
  test,
  then,
  else: otherwise,
});
export const anyBit = (arg: number, mask: number): Test => ({ is: 'any-bit', arg, mask });
export const oneOf = (arg: number, values: readonly number[], mask = 0xffff_ffff): Test => ({
  is: 'one-of',
  arg,
  mask,
  values,
});
export const isNull = (arg: number): Test => ({ is: 'null', arg });
