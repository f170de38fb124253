// What the static rules say of one call, with the reason: for the mediator, after the kernel has asked it. Only
// register values are looked at, which the caller cannot change after the call.
import type { Leaf, Rule, Test } from './rule.ts';

const low32 = (value: bigint): number => Number(value & 0xffff_ffffn);

function holds(test: Test, args: readonly bigint[]): boolean {
  const value = args[test.arg] ?? 0n;
  switch (test.is) {
    case 'any-bit':
      return (low32(value) & test.mask) !== 0;
    case 'one-of':
      return test.values.includes((low32(value) & test.mask) >>> 0);
    case 'null':
      return BigInt.asUintN(64, value) === 0n;
  }
}

/** The leaf that the filter reaches for these arguments. */
export function leafFor(rule: Rule, args: readonly bigint[]): Leaf {
  let at = rule;
  while (at.do === 'when') at = holds(at.test, args) ? at.then : at.else;
  return at;
}

/** Every leaf of a rule, in the order of the tree. */
export function leavesOf(rule: Rule): readonly Leaf[] {
  if (rule.do !== 'when') return [rule];
  return [...leavesOf(rule.then), ...leavesOf(rule.else)];
}
